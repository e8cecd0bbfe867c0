package templates

// A NoticeKind is what a notice says.
type NoticeKind string

// The kinds of notices.
const (
	NoticeSignedOut    NoticeKind = "signed_out"     // this browser is signed out
	NoticeNotSignedOut NoticeKind = "not_signed_out" // the person did not want to sign out
	NoticeDone         NoticeKind = "done"           // it worked, and the window can be closed
	NoticeDeviceDone   NoticeKind = "device_done"    // a device elsewhere is being signed in
	NoticeContinue     NoticeKind = "continue"       // the action opens the application, which gets access
	NoticeRefused      NoticeKind = "refused"        // the action opens the application, which gets none
	NoticeDeactivated  NoticeKind = "deactivated"    // the account is closed for ever
	NoticeCancelled    NoticeKind = "cancelled"      // the person did not continue; nothing was shared
	NoticeKept         NoticeKind = "kept"           // the person did not want to reset their encryption
)

// noticeKinds are all of them.
var noticeKinds = []NoticeKind{NoticeSignedOut, NoticeNotSignedOut, NoticeDone, NoticeDeviceDone, NoticeContinue, NoticeRefused, NoticeDeactivated, NoticeCancelled, NoticeKept}

// Notice tells a person how something ended that was no error.
type Notice struct {
	Kind    NoticeKind
	Actions []Action // the first is the one that most people want
}

func (Notice) template() string { return "notice" }
