package store

// loginColumns are the columns that say who signed in, and where; they are the
// same in every table that remembers a sign-in.
type loginColumns struct {
	Localpart       string
	ProviderID      string
	UpstreamIssuer  string
	UpstreamSubject string
	AuthTime        int64
}

func columnsOf(l Login) loginColumns {
	return loginColumns{Localpart: l.Localpart, ProviderID: l.ProviderID, UpstreamIssuer: l.UpstreamIssuer,
		UpstreamSubject: l.UpstreamSubject, AuthTime: l.AuthTime.UnixMilli()}
}

func (c loginColumns) login() Login {
	return Login{Localpart: c.Localpart, ProviderID: c.ProviderID, UpstreamIssuer: c.UpstreamIssuer,
		UpstreamSubject: c.UpstreamSubject, AuthTime: fromMilli(c.AuthTime)}
}
