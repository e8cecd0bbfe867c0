package chromiumtest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// watch notes what happens in one tab.
type watch struct {
	hosts []string // those that may be asked, with their ports

	mu        sync.Mutex
	problems  []string
	documents []string // the addresses of the pages
	left      string   // where the tab wanted to go last
}

// take is called for every event of the tab.
func (w *watch) take(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		w.note("the console says %s: %s", e.Type, arguments(e.Args))
	case *runtime.EventExceptionThrown:
		w.note("a script fails: %s", e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		w.entry(e.Entry)
	case *audits.EventIssueAdded:
		if d := e.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
			w.note("blocked by %s: %s", d.ContentSecurityPolicyIssueDetails.ViolatedDirective, d.ContentSecurityPolicyIssueDetails.BlockedURL)
		}
	case *network.EventRequestWillBeSent:
		w.request(e)
	case *network.EventLoadingFailed:
		if e.BlockedReason != "" {
			w.note("blocked: %s (%s)", e.BlockedReason, e.ErrorText)
		}
	case *page.EventFrameRequestedNavigation:
		w.left = e.URL
	}
}

func (w *watch) note(format string, values ...any) {
	w.problems = append(w.problems, fmt.Sprintf(format, values...))
}

// entry takes a message of the browser itself. That a page has the status of an
// error is no problem: it is the page that says so.
func (w *watch) entry(e *log.Entry) {
	if e.Source == log.EntrySourceNetwork && slices.Contains(w.documents, e.URL) {
		return
	}
	if e.Level == log.EntryLevelError || e.Level == log.EntryLevelWarning {
		w.note("the browser says %s: %s %s", e.Level, e.Text, e.URL)
	}
}

// request takes a request, and where it goes.
func (w *watch) request(e *network.EventRequestWillBeSent) {
	if e.Type == network.ResourceTypeDocument {
		w.documents = append(w.documents, e.Request.URL)
	}
	u, err := url.Parse(e.Request.URL)
	if err != nil {
		w.note("a request to %q", e.Request.URL)
		return
	}
	web := u.Scheme == "http" || u.Scheme == "https"
	if !web {
		w.left = e.Request.URL
	}
	if web && !slices.Contains(w.hosts, u.Host) {
		w.note("a request to another host: %s", e.Request.URL)
	}
}

func arguments(all []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, string(a.Value)+a.Description)
	}
	return strings.Join(texts, " ")
}
