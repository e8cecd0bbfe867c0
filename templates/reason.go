package templates

import "net/http"

// A Reason is why a person sees an error page. It names the page's messages,
// and is short and stable, so that a log can have it too.
type Reason string

// The reasons. The names in brackets are the fields of ErrorPage that their
// messages mention when they are set.
const (
	// ReasonUnknownClient: no client has this client_id (C-29).
	ReasonUnknownClient Reason = "unknown_client"
	// ReasonRedirectURI: the redirect URI is missing or not registered (C-29).
	ReasonRedirectURI Reason = "redirect_uri"
	// ReasonMalformed: the application's request is wrong [Parameter].
	ReasonMalformed Reason = "malformed"
	// ReasonExpired: the request is unknown, or too old.
	ReasonExpired Reason = "expired"
	// ReasonOtherBrowser: the request's cookie is not in this browser (C-62, L-07).
	ReasonOtherBrowser Reason = "other_browser"
	// ReasonAlreadyUsed: the request was decided before (C-69).
	ReasonAlreadyUsed Reason = "already_used"
	// ReasonCSRF: the form's token is missing or wrong (L-06).
	ReasonCSRF Reason = "csrf"
	// ReasonRedirectURL: redirectUrl is missing, or leads where nobody may be
	// sent (I-04, I-06).
	ReasonRedirectURL Reason = "redirect_url"

	// ReasonUnknownProvider: there is no such identity provider (I-04).
	ReasonUnknownProvider Reason = "unknown_provider"
	// ReasonCallbackMissing: neither callback_url nor well_known.client says
	// where the provider is to return to [Provider].
	ReasonCallbackMissing Reason = "callback_missing"
	// ReasonProviderUnreachable: the provider does not answer [Provider].
	ReasonProviderUnreachable Reason = "provider_unreachable"
	// ReasonProviderInvalid: the provider's answer makes no sense or cannot be
	// verified [Provider].
	ReasonProviderInvalid Reason = "provider_invalid"
	// ReasonProviderError: the provider answered with an error [Provider].
	ReasonProviderError Reason = "provider_error"
	// ReasonNotFresh: the provider did not show that the person has just signed
	// in, as was asked for [Provider].
	ReasonNotFresh Reason = "not_fresh"
	// ReasonCannotProve: the provider never shows when somebody signed in, and so
	// proves nothing [Provider].
	ReasonCannotProve Reason = "cannot_prove"
	// ReasonOtherAccount: somebody else signed in than had to [Provider, UserID].
	ReasonOtherAccount Reason = "other_account"
	// ReasonCancelled: the sign-in was cancelled at the provider [Provider].
	ReasonCancelled Reason = "cancelled"

	// ReasonNameTaken: the name that the provider gave belongs to another
	// account [Provider, UserID].
	ReasonNameTaken Reason = "name_taken"
	// ReasonLinkedElsewhere: an account that was to be linked is another user's
	// [Provider].
	ReasonLinkedElsewhere Reason = "linked_elsewhere"
	// ReasonNoUsableName: no claim gives a Matrix user name [Provider].
	ReasonNoUsableName Reason = "no_usable_name"
	// ReasonRegistrationDisabled: there is no account, and none is created.
	ReasonRegistrationDisabled Reason = "registration_disabled"
	// ReasonAccountLocked: the account is locked [UserID] (C-67).
	ReasonAccountLocked Reason = "account_locked"
	// ReasonAccountDeactivated: the account is deactivated [UserID] (C-67).
	ReasonAccountDeactivated Reason = "account_deactivated"

	// ReasonNotFound: nothing is at this address.
	ReasonNotFound Reason = "not_found"
	// ReasonMethodNotAllowed: the page exists, for another method.
	ReasonMethodNotAllowed Reason = "method_not_allowed"
	// ReasonTooLarge: the request exceeds a limit of size.
	ReasonTooLarge Reason = "too_large"
	// ReasonTooManyRequests: the request exceeds a limit of rate (L-21).
	ReasonTooManyRequests Reason = "too_many_requests"
	// ReasonHomeserverAway: an approval is kept that the homeserver does not know
	// of yet.
	ReasonHomeserverAway Reason = "homeserver_away"
	// ReasonServerTrouble: the fault is here, and trying again may help.
	ReasonServerTrouble Reason = "server_trouble"
)

// statuses are the HTTP statuses of all reasons.
var statuses = map[Reason]int{
	ReasonUnknownClient:        http.StatusBadRequest,
	ReasonRedirectURI:          http.StatusBadRequest,
	ReasonMalformed:            http.StatusBadRequest,
	ReasonExpired:              http.StatusBadRequest,
	ReasonOtherBrowser:         http.StatusForbidden,
	ReasonAlreadyUsed:          http.StatusConflict,
	ReasonCSRF:                 http.StatusForbidden,
	ReasonRedirectURL:          http.StatusBadRequest,
	ReasonUnknownProvider:      http.StatusNotFound,
	ReasonCallbackMissing:      http.StatusInternalServerError,
	ReasonProviderUnreachable:  http.StatusBadGateway,
	ReasonProviderInvalid:      http.StatusBadGateway,
	ReasonProviderError:        http.StatusBadGateway,
	ReasonNotFresh:             http.StatusForbidden,
	ReasonCannotProve:          http.StatusForbidden,
	ReasonOtherAccount:         http.StatusForbidden,
	ReasonCancelled:            http.StatusForbidden,
	ReasonNameTaken:            http.StatusConflict,
	ReasonLinkedElsewhere:      http.StatusConflict,
	ReasonNoUsableName:         http.StatusForbidden,
	ReasonRegistrationDisabled: http.StatusForbidden,
	ReasonAccountLocked:        http.StatusForbidden,
	ReasonAccountDeactivated:   http.StatusForbidden,
	ReasonNotFound:             http.StatusNotFound,
	ReasonMethodNotAllowed:     http.StatusMethodNotAllowed,
	ReasonTooLarge:             http.StatusRequestEntityTooLarge,
	ReasonTooManyRequests:      http.StatusTooManyRequests,
	ReasonHomeserverAway:       http.StatusServiceUnavailable,
	ReasonServerTrouble:        http.StatusServiceUnavailable,
}

// Status returns the HTTP status that the page is sent with; 500 for a reason
// that does not exist.
func (r Reason) Status() int {
	if status, ok := statuses[r]; ok {
		return status
	}
	return http.StatusInternalServerError
}
