package templates

// An ActionKind says what a button on an error or notice page does, and so how
// it is labelled.
type ActionKind string

// The kinds of actions.
const (
	ActionReturn   ActionKind = "return"   // back to the application at URL, which is named
	ActionContinue ActionKind = "continue" // on to the application at URL
	ActionRestart  ActionKind = "restart"  // the whole sign-in from its beginning
	ActionRetry    ActionKind = "retry"    // the step that failed once more
	ActionChoose   ActionKind = "choose"   // the choice of identity providers
	ActionAccount  ActionKind = "account"  // the account page
	ActionAnother  ActionKind = "another"  // the sign-in with another account
	ActionSignOut  ActionKind = "sign_out" // on to URL, where the person can sign out too, and which is named
)

// An Action is a button that leads on, by GET unless it has fields. URL is a path of this server,
// or the address of the application: https, http on the person's device, or a
// private-use scheme. With any other URL the button is left out
// (conformance L-24).
type Action struct {
	Kind ActionKind
	URL  string
	// Fields, when there are any, are sent to URL by POST.
	Fields []Field
}

// A Field is a hidden field of a form.
type Field struct {
	Name, Value string
}

// Destination returns where the action leads.
func (a Action) Destination() Destination { return destinationOf(a.URL) }
