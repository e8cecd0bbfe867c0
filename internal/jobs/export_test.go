package jobs

import "time"

// KeepEvery replaces the interval at which leases begin anew.
func (r *Runner) KeepEvery(d time.Duration) { r.keepInterval = d }
