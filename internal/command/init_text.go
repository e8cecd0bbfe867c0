package command

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"keymaker/internal/setup"
	"keymaker/internal/synapseconfig"
)

// initText says what was written, and what remains to be done, in its order.
func initText(p *setup.Plan, synapse *synapseconfig.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "The configuration of %s is in %s.\n", p.Config.ServerName, p.ConfigFile)
	fmt.Fprintf(&b, "Keep a copy of %s apart from the database: it opens what is sealed there.\n", p.SealFile)
	for _, w := range p.Config.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	var steps []string
	steps = append(steps, registerStep(p))
	if p.HomeserverSecretFile != "" {
		steps = append(steps, delegateStep(p))
		if synapse != nil {
			steps = append(steps, conflictSteps(p, synapse)...)
		}
	}
	steps = append(steps,
		fmt.Sprintf("Let your reverse proxy send https requests for %s to %s.\n", p.Config.Issuer(), listener(p)),
		fmt.Sprintf("Start the server:\n\n    keymaker serve --config %s\n", p.ConfigFile))
	for i, step := range steps {
		fmt.Fprintf(&b, "\n%d. %s", i+1, step)
	}
	return b.String()
}

// listener is where the server listens.
func listener(p *setup.Plan) string {
	return net.JoinHostPort(p.Config.Address[0], strconv.Itoa(p.Config.Port))
}

func registerStep(p *setup.Plan) string {
	provider := p.Config.IdentityProviders[0]
	return fmt.Sprintf(`Register the server at %s, as a confidential client:

    client id     %s
    redirect URI  %s

   If the provider lets you choose the client secret, take the one in
   %s.
   Otherwise put the provider's into that file.
`, provider.Name, provider.ClientID, p.Config.CallbackURL(provider), p.ClientSecretFile)
}

func delegateStep(p *setup.Plan) string {
	return fmt.Sprintf(`Put these lines into homeserver.yaml:

matrix_authentication_service:
  enabled: true
  endpoint: %q
  secret_path: %q

   Synapse must be able to read that file. If it runs elsewhere or as another
   user, give it a copy; the server and Synapse must have the same.
`, "http://"+listener(p)+"/", p.HomeserverSecretFile)
}

// conflictSteps are what has to go from the configuration of Synapse.
func conflictSteps(p *setup.Plan, synapse *synapseconfig.Config) []string {
	var steps []string
	if at, is := synapse.Delegation(); is {
		steps = append(steps, fmt.Sprintf("Remove the matrix_authentication_service that is there already: %s.\n", at))
	}
	if conflicts := synapse.Conflicts(); len(conflicts) > 0 {
		var b strings.Builder
		b.WriteString("Synapse refuses to start with these options beside those lines:\n\n")
		for _, c := range conflicts {
			fmt.Fprintf(&b, "    %s: %s: %s\n", c.Place, c.Option, c.Remedy)
		}
		steps = append(steps, b.String())
	}
	if said, at := synapse.PublicBaseURL(); said != "" && strings.TrimSuffix(said, "/") != strings.TrimSuffix(p.Config.Issuer(), "/") {
		steps = append(steps, fmt.Sprintf("Set public_baseurl to %q: clients find Synapse and this server there (%s).\n", strings.TrimSuffix(p.Config.Issuer(), "/")+"/", at))
	}
	return steps
}
