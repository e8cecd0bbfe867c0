package templates

// FormPost carries the answer to an authorization request to the application
// as a form (OAuth 2.0 Form Post Response Mode §2). A script sends it; without
// scripts the person presses the button.
type FormPost struct {
	URL    string // the application's: https, or http on the person's device
	Fields []Field
}

func (FormPost) template() string { return "formpost" }

// Destination returns where the answer goes.
func (p FormPost) Destination() Destination { return destinationOf(p.URL) }
