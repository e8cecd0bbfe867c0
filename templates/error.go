package templates

// ErrorPage tells a person what happened and what to do now.
type ErrorPage struct {
	Reason Reason

	// What the messages of some reasons name; each may be "".
	Parameter string // the parameter of the request that is wrong
	Provider  string // the name of the identity provider
	UserID    string // the account, or the one that would have been made

	Actions []Action // the first is the one that most people want
	// Reference finds the log entry of this failure; "" shows none.
	Reference string
}

func (ErrorPage) template() string { return "error" }
