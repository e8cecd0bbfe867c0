package templates

import (
	"net/url"
	"reflect"
	"time"
)

// trialAddress is where pages are tried.
var trialAddress = &url.URL{Path: "/", RawQuery: "language=en"}

// trialValues are the values of the types that do not take any.
var trialValues = map[reflect.Type]any{
	reflect.TypeFor[Reason]():     ReasonExpired,
	reflect.TypeFor[NoticeKind](): NoticeDone,
	reflect.TypeFor[ActionKind](): ActionReturn,
	reflect.TypeFor[Section]():    SectionHome,
	reflect.TypeFor[Permission](): PermissionMatrix,
	reflect.TypeFor[time.Time]():  time.Unix(0, 0),
}

// trials returns each page twice: with everything that it can show, and with as
// little as it can.
func trials() []Page {
	var all []Page
	for _, page := range pageKinds {
		for _, full := range []bool{true, false} {
			v := reflect.New(reflect.TypeOf(page)).Elem()
			fill(v, full)
			if p, ok := v.Interface().(Page); ok {
				all = append(all, p)
			}
		}
	}
	return all
}

// mailTrials returns each mail, with everything that it can show and with little.
func mailTrials() []Mail {
	var all []Mail
	for _, kind := range mailKinds {
		var full Mail
		fill(reflect.ValueOf(&full).Elem(), true)
		full.Kind = kind
		all = append(all, full, Mail{Kind: kind})
	}
	return all
}

// fill sets what a template can see of a value.
func fill(v reflect.Value, full bool) {
	if known, ok := trialValues[v.Type()]; ok {
		v.Set(reflect.ValueOf(known))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("https://example.com/")
	case reflect.Bool:
		v.SetBool(full)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), full)
			}
		}
	case reflect.Slice:
		if full {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), full)
		}
	case reflect.Pointer:
		if full {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), full)
		}
	default: // numbers are good as they are
	}
}
