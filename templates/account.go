package templates

import "time"

// A Section is one of the account pages that every one of them leads to.
type Section string

// The sections.
const (
	SectionHome     Section = "home"
	SectionSessions Section = "sessions"
	SectionProfile  Section = "profile"
	SectionLinks    Section = "links"
	SectionActivity Section = "activity"
	SectionReset    Section = "reset"
)

// sections are all of them, in the order in which pages list them.
var sections = []Section{SectionHome, SectionSessions, SectionProfile, SectionLinks, SectionActivity, SectionReset}

// SectionLink leads to a section.
type SectionLink struct {
	Section Section
	URL     string
}

// AccountFrame is what the account pages share.
type AccountFrame struct {
	UserID    string // the account that is signed in: @alice:example.org
	SwitchURL string // leads to a sign-in with another account; "" offers none

	Sections []SectionLink
	Current  Section
}

// AccountHome shows a person their account, and where to look after it
// (conformance H-01).
type AccountHome struct {
	AccountFrame

	Provider string // the identity provider that signed the person in, as the administrator named it

	// SignIns are those that the person may not know of, and Known the form that
	// says that they do.
	SignIns []Place
	Known   Form

	// SignOut is the form that signs this browser out.
	SignOut Form
	// CloseURL leads to the page that closes the account; "" offers it not.
	CloseURL string
}

func (AccountHome) template() string { return "account" }

// Others are the sections that the home leads to.
func (a AccountHome) Others() []SectionLink {
	var others []SectionLink
	for _, s := range a.Sections {
		if s.Section != a.Current {
			others = append(others, s)
		}
	}
	return others
}

// Place is where an account is in use: a session, or a device that has none any
// more. What is "" is not shown.
type Place struct {
	Key string // names it in a form
	URL string // leads to its page
	End string // leads to the page that ends it

	Name     string // of the device
	DeviceID string
	App      string // the application, as it calls itself
	Host     string // to which the application belongs
	Provider string // the identity provider that signed the person in
	Address  string // the IP address of the last use

	FirstSeenAt, LastSeenAt time.Time

	OIDC        bool // a device of a next-generation client (MSC4312)
	ThisBrowser bool // this browser has approved it
	Stale       bool // it was not used for a long time
	SignedOut   bool // its session has ended, and the device is left
}

// Title returns what a place is called; "" when it has no name that could be
// shown.
func (p Place) Title() string {
	for _, name := range []string{CleanName(p.Name), CleanName(p.App), CleanText(p.DeviceID)} {
		if name != "" {
			return name
		}
	}
	return ""
}

// FirstSeen returns when it was used first.
func (p Place) FirstSeen() string { return moment(p.FirstSeenAt) }

// LastSeen returns when it was used last.
func (p Place) LastSeen() string { return moment(p.LastSeenAt) }

// SwitchAccount asks a person whom a link is not meant for whether to go on as
// somebody else (MSC4198; conformance H-11).
type SwitchAccount struct {
	UserID    string // who is signed in
	Wanted    string // whom the link is meant for
	SwitchURL string // leads to a sign-in with another account
	StayURL   string // goes on with the account that is signed in
}

func (SwitchAccount) template() string { return "switch" }
