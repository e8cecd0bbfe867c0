package templates

import "time"

// AccountLinks lists the accounts at identity providers with which a person can
// sign in.
type AccountLinks struct {
	AccountFrame

	Links []Link // oldest first
	// Others are the providers at which another account can be linked.
	Others []Provider
	// CannotProve says that no way of the person's to sign in proves who they are,
	// so that nothing can be changed here.
	CannotProve bool
}

func (AccountLinks) template() string { return "links" }

// Link is an account at an identity provider.
type Link struct {
	Provider string
	Account  string // what the person is called there; "" is not shown
	LinkedAt time.Time
	// Here says that the person has signed in with it in this browser.
	Here bool
	// UnlinkURL leads to the page that takes it away; "" for the only one.
	UnlinkURL string
}

// Linked returns since when it is linked.
func (l Link) Linked() string { return moment(l.LinkedAt) }

// LinkAccount asks a person who has signed in at a provider whether to link that
// account to a user, once they have proved that the user is theirs.
type LinkAccount struct {
	// Form links the account. It is sent only by who has Proved.
	Form

	Provider string // where they have signed in
	Account  string // what they are called there; "" is not shown
	UserID   string // the user that it would be linked to
	// Taken says that it is a first sign-in, whose name is that user's. NewName is
	// the form that takes another one; nil where that is not allowed.
	Taken   bool
	NewName *Form
	// OtherURL leads to a sign-in with another account; "" offers none.
	OtherURL string
	// Proved says that they have shown the user to be theirs; otherwise Ways are
	// how they can.
	Proved bool
	Ways   []Provider
}

func (LinkAccount) template() string { return "link" }

// UnlinkAccount asks a person whether to take a link away, once they have proved
// who they are.
type UnlinkAccount struct {
	AccountFrame
	Form

	Link   Link
	Proved bool
	Ways   []Provider
}

func (UnlinkAccount) template() string { return "unlink" }

// Deactivate asks a person whether to close their account for ever, once they
// have proved who they are (conformance H-07).
type Deactivate struct {
	AccountFrame
	// Form closes the account. FieldErase is in it.
	Form

	Proved bool
	Ways   []Provider
}

func (Deactivate) template() string { return "deactivate" }
