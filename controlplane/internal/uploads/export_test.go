package uploads

import "context"

// Sweep is what Run does once a minute.
func (s *Service) Sweep(ctx context.Context) error { return s.sweep(ctx) }

// FlushEvery flushes after so many bytes.
func (s *Service) FlushEvery(n int64) { s.flushBytes = n }

// HoldAtMost has all uploads together have at most so many files.
func (s *Service) HoldAtMost(n int) { s.mostFiles = n }
