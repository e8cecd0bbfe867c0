package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Operation is one thing that an administrator does, with a question Q and an
// answer A.
type Operation[Q, A any] struct {
	name string
	do   func(s *Service, ctx context.Context, q Q) (A, error)
}

// Caller does operations: a *Service by itself, a *Client by asking a server.
type Caller interface {
	call(ctx context.Context, name string, question []byte) (answer []byte, err error)
}

// On does the operation. Errors that the administrator can do something about
// are an *Error.
func (o Operation[Q, A]) On(ctx context.Context, c Caller, q Q) (answer A, err error) {
	if s, ok := c.(*Service); ok {
		return o.do(s, ctx, q)
	}
	question, err := json.Marshal(q)
	if err != nil {
		return answer, fmt.Errorf("write the question: %w", err)
	}
	raw, err := c.call(ctx, o.name, question)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("read the answer: %w", err)
	}
	return answer, nil
}

// operations are all operations by name, as JSON.
var operations = map[string]func(ctx context.Context, s *Service, question []byte) (answer []byte, err error){}

// operation names what the service does.
func operation[Q, A any](name string, do func(s *Service, ctx context.Context, q Q) (A, error)) Operation[Q, A] {
	operations[name] = func(ctx context.Context, s *Service, question []byte) ([]byte, error) {
		q, err := parse[Q](question)
		if err != nil {
			return nil, err
		}
		answer, err := do(s, ctx, q)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	}
	return Operation[Q, A]{name: name, do: do}
}

// parse reads one JSON value that has nothing but what is asked for.
func parse[Q any](question []byte) (q Q, err error) {
	d := json.NewDecoder(bytes.NewReader(question))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return q, wrong("the question cannot be read: the server has perhaps another version than this program")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return q, wrong("there is more than one question")
	}
	return q, nil
}

// call does an operation by its name.
func (s *Service) call(ctx context.Context, name string, question []byte) ([]byte, error) {
	do, ok := operations[name]
	if !ok {
		return nil, wrong("there is no operation %s: the server has perhaps another version than this program", Printable(name))
	}
	return do(ctx, s, question)
}
