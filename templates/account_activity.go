package templates

import (
	"slices"
	"time"
)

// AccountActivity lists what happened to an account.
type AccountActivity struct {
	AccountFrame

	Events []ActivityEvent // newest first
	// Previous and Next lead to the pages of newer and of older events; "" where
	// there is none.
	Previous, Next string
}

func (AccountActivity) template() string { return "activity" }

// ActivityEvent is one line of the audit log, as it stands there. What is "" is
// not shown.
type ActivityEvent struct {
	Action string
	Actor  string
	Reason string
	At     time.Time

	App      string
	Device   string
	Provider string
	// EndURL leads to the page that ends the session that began with it, while it
	// lives.
	EndURL string
}

// What of the audit log has words. What has none is shown as it is called there.
var (
	activityActions = []string{"session_started", "session_ended", "user_created", "user_adopted", "user_linked", "user_unlinked", "user_associated", "association_removed",
		"user_detached", "consent_given", "consent_remembered", "reset_approved",
		"cross_signing_keys_set", "cross_signing_keys_replaced",
		"consent_denied", "device_renamed", "device_removed", "display_name_changed", "picture_changed", "browser_signed_out", "user_locked", "user_unlocked",
		"user_suspended", "user_unsuspended", "user_deactivated", "user_erased", "user_reactivated",
		"admin_marked", "admin_unmarked"}
	activityActors  = []string{"user", "client", "server", "admin"}
	activityReasons = []string{"logout", "token_revoked", "rp_initiated", "device_replaced", "code_replayed", "refresh_reused", "refresh_expired",
		"ended_by_user", "user_deactivated", "ended_by_admin"}
)

// Words is the message that says what happened; "" when there is none.
func (e ActivityEvent) Words() string { return message("activity.", e.Action, activityActions) }

// By is the message that says who did it; "" when there is none.
func (e ActivityEvent) By() string { return message("activity.by_", e.Actor, activityActors) }

// Why is the message that says why a session ended; "" when there is none.
func (e ActivityEvent) Why() string { return message("activity.why_", e.Reason, activityReasons) }

// Time returns when it happened.
func (e ActivityEvent) Time() string { return moment(e.At) }

func message(prefix, name string, known []string) string {
	if slices.Contains(known, name) {
		return prefix + name
	}
	return ""
}
