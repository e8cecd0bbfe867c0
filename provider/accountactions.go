package provider

// Actions of the account page (MSC4191; conformance H-02), as they are spelled
// in the specification.
const (
	ActionProfile     = "org.matrix.profile"
	ActionDevicesList = "org.matrix.devices_list"
	ActionDeviceView  = "org.matrix.device_view"
	ActionDelete      = "org.matrix.device_delete"
	ActionDeactivate  = "org.matrix.account_deactivate"

	ActionCrossSigningReset = "org.matrix.cross_signing_reset"
)

// AccountActions are the actions that the metadata names: those that have a
// page, and the older spellings of the device actions, for which clients look
// too (conformance H-10).
func AccountActions() []string {
	return []string{
		ActionProfile, ActionDevicesList, ActionDeviceView, ActionDelete, ActionDeactivate, ActionCrossSigningReset,
		"org.matrix.sessions_list", "org.matrix.session_view", "org.matrix.session_end",
	}
}
