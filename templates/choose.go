package templates

// ChooseProvider lets a person choose the identity provider to sign in with.
type ChooseProvider struct {
	// App is the name of the application that asks for the sign-in, as it
	// calls itself; "" when there is none to name.
	App string
	// Providers are listed in this order.
	Providers []Provider
}

// A Provider is one way to sign in.
type Provider struct {
	Name  string // as the administrator named it
	URL   string // where its sign-in starts: a path of this server, followed by GET
	Brand string // in small letters; a brand without a drawing has the first letter of the name
	Last  bool   // this browser signed in with it last
}

func (ChooseProvider) template() string { return "choose" }
