package templates

// AccountProfile shows what a user is known by (conformance H-02).
type AccountProfile struct {
	AccountFrame
	// Form changes the display name, which is in FieldName.
	Form

	DisplayName string
	// ManagedBy is the identity provider that says the display name; "" when the
	// person does.
	ManagedBy string
	Email     string // "" is not shown
}

func (AccountProfile) template() string { return "profile" }
