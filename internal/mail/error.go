package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"regexp"
)

// Step is how far a delivery came.
type Step string

// The steps of a delivery, in their order.
const (
	StepLookUp    Step = "look up" // the address of the server
	StepConnect   Step = "connect"
	StepTLS       Step = "TLS"
	StepGreeting  Step = "greeting"
	StepSignIn    Step = "sign in"
	StepSender    Step = "sender"    // whether the server takes mail from us
	StepRecipient Step = "recipient" // whether it takes mail for the person
	StepMessage   Step = "message"
)

// Error says at which step a delivery failed, and why. Its text names nobody.
type Error struct {
	Step Step
	// Code and Enhanced are what the server answered (RFC 5321 §4.2, RFC 3463);
	// 0 and "" where it answered nothing.
	Code     int
	Enhanced string
	// Said is the text of that answer. It can repeat the address and is in no
	// error text: it is for somebody who knows the address already.
	Said  string
	cause error
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Code == 0:
		return fmt.Sprintf("%s: %v", e.Step, e.cause)
	case e.Enhanced == "":
		return fmt.Sprintf("%s: the mail server answered %d", e.Step, e.Code)
	}
	return fmt.Sprintf("%s: the mail server answered %d %s", e.Step, e.Code, e.Enhanced)
}

// Unwrap returns the cause; nil for an answer of the server.
func (e *Error) Unwrap() error { return e.cause }

// Refused tells that the server will never take mail for this address.
func (e *Error) Refused() bool { return e.Step == StepRecipient && e.Code/100 == 5 }

// enhanced finds the code at the beginning of an answer.
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// Why a delivery fails to which the server says nothing.
var (
	errSilent = errors.New("no answer in time")
	errBroken = errors.New("the connection broke off")
	errNoSMTP = errors.New("the answer is not SMTP")
)

// silent tells whether somebody has waited for too long.
func silent(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// failed makes an Error of what a conversation ended with. It keeps nothing of
// what the other side said, but what is wrong with its certificate.
func failed(step Step, err error) *Error {
	var answer *textproto.Error
	var nonsense textproto.ProtocolError
	switch {
	case errors.As(err, &answer):
		return &Error{Step: step, Code: answer.Code, Enhanced: enhanced.FindString(answer.Msg), Said: answer.Msg}
	case errors.As(err, &nonsense):
		err = errNoSMTP
	case silent(err):
		err = errSilent
	case step != StepTLS:
		err = errBroken
	}
	return &Error{Step: step, cause: err}
}
