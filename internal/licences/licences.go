// Package licences has the licences of the modules that the program is made of,
// as whoever passes the program on has to.
package licences

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Licence is a licence as modules bring it.
type Licence struct {
	// SPDX are the identifiers of what the text holds, with " AND " between.
	SPDX string `json:"spdx"`
	// Modules are those that have it, each with its version after an @.
	Modules []string `json:"modules"`
	Text    string   `json:"text"`
}

//go:embed third-party.json
var thirdParty []byte

// ThirdParty are the licences of everybody else's modules. A module with several
// texts is in several.
func ThirdParty() ([]Licence, error) {
	var all []Licence
	if err := json.Unmarshal(thirdParty, &all); err != nil {
		return nil, fmt.Errorf("read the licences: %w", err)
	}
	return all, nil
}

// Of is the SPDX expression of a module, written as in Licence.Modules; "" for
// one that is not known.
func Of(all []Licence, module string) string {
	var ids []string
	for _, l := range all {
		if slices.Contains(l.Modules, module) && l.SPDX != "" && !slices.Contains(ids, l.SPDX) {
			ids = append(ids, l.SPDX)
		}
	}
	return strings.Join(ids, " AND ")
}
