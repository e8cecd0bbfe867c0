package templates

// AccountSessions lists where an account is in use (conformance H-02).
type AccountSessions struct {
	AccountFrame
	// Form is sent with the places that the person has chosen to end; which is
	// decided on the page that it leads to.
	Form

	Places []Place
	// Gone says that what the link names is not there.
	Gone bool
	// OthersURL leads to the page that ends all but this browser's sessions; ""
	// where there is no other.
	OthersURL string
	// Previous and Next lead to the pages before and after this one; "" where
	// there is none.
	Previous, Next string
}

func (AccountSessions) template() string { return "sessions" }

// AccountSession shows one place where an account is in use.
type AccountSession struct {
	AccountFrame
	// Form renames the device: its name is in FieldName. Only a device has one.
	Form

	Place Place
}

func (AccountSession) template() string { return "session" }

// EndSessions asks a person whether to end sessions, and says what is lost
// (conformance H-04).
type EndSessions struct {
	AccountFrame
	Form

	Places []Place
	// Others says that all but this browser's sessions end, and the browsers
	// that are signed in elsewhere with them. They are not listed then.
	Others bool
}

func (EndSessions) template() string { return "end_sessions" }

// One says that it is about a single place.
func (e EndSessions) One() bool { return len(e.Places) == 1 && !e.Others }

// Devices says that a device goes, and its encryption keys with it.
func (e EndSessions) Devices() bool {
	for _, p := range e.Places {
		if p.DeviceID != "" {
			return true
		}
	}
	return e.Others
}

// Here says that a session goes which this browser has approved.
func (e EndSessions) Here() bool {
	for _, p := range e.Places {
		if p.ThisBrowser {
			return true
		}
	}
	return false
}
