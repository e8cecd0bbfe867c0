package store

// loginColumns are the columns that say who signed in, and where; they are the
// same in every table that remembers a sign-in.
type loginColumns struct {
	Localpart       string
	ProviderID      string
	UpstreamIssuer  string
	UpstreamSubject string
	AuthTime        int64
	BrowserHash     []byte
}

func columnsOf(l Login) loginColumns {
	return loginColumns{Localpart: l.Localpart, ProviderID: l.ProviderID, UpstreamIssuer: l.UpstreamIssuer,
		UpstreamSubject: l.UpstreamSubject, AuthTime: l.AuthTime.UnixMilli(), BrowserHash: hashOrNull(l.BrowserHash)}
}

func (c loginColumns) login() Login {
	return Login{Localpart: c.Localpart, ProviderID: c.ProviderID, UpstreamIssuer: c.UpstreamIssuer,
		UpstreamSubject: c.UpstreamSubject, AuthTime: fromMilli(c.AuthTime), BrowserHash: string(c.BrowserHash)}
}

// hashOrNull stores an unknown hash as NULL.
func hashOrNull(hash string) []byte {
	if hash == "" {
		return nil
	}
	return []byte(hash)
}
