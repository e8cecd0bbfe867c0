package templates

// The fields of the forms, and the values of FieldDecision.
const (
	FieldCSRF     = "csrf_token"
	FieldRequest  = "oidc_req_id"
	FieldDecision = "decision"
	FieldUserCode = "user_code"
	// FieldOwnDevice says that the device is the person's own: OwnDevice.
	FieldOwnDevice = "own_device"
	FieldName      = "name"
	FieldPlace     = "place"   // a place that is chosen, once for each
	FieldPicture   = "picture" // a file
	FieldErase     = "erase"   // not empty: what others see of the user goes too

	DecisionApprove = "approve"
	DecisionCancel  = "cancel"

	// OwnDevice is what FieldOwnDevice must have for an approval (conformance
	// G-10). A browser asks for it before it sends the form.
	OwnDevice = "yes"
)

// A Form is sent by POST when a person presses one of the two buttons; which
// one is in FieldDecision.
type Form struct {
	Action    string // the path it is sent to
	CSRFToken string // in FieldCSRF (conformance L-06)
	RequestID string // in FieldRequest: what is decided about
}
