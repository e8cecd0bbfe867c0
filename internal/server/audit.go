package server

import (
	"context"
	"time"

	"keymaker/internal/auditlog"
)

const (
	// auditInterval is how late an event is in the lines of the audit log.
	auditInterval = 2 * time.Second
	auditTimeout  = 30 * time.Second
)

// writeAudit writes the audit log where the configuration in use says, until ctx
// ends. What happens later is written by the next start.
func (s *Server) writeAudit(ctx context.Context, log *auditlog.Log) error {
	turn := time.NewTicker(auditInterval)
	defer turn.Stop()
	for {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
		if err := log.Write(limited, s.current.Load().config.Audit.Destination); err != nil {
			s.log.ErrorContext(ctx, "write the audit log", "error", err)
		}
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done(): // once more
		case <-turn.C:
		}
	}
}
