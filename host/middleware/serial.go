// One request at a time.

package middleware

import (
	"context"

	"pillion/host"
)

// Serial returns middleware for an application that must not be called while it
// serves another request: requests wait for each other, and Multithread is false.
// Applications that share one result of Serial wait for each other too.
func Serial() host.Middleware {
	turn := make(chan struct{}, 1)
	return func(app host.App) host.App {
		return within(func(env *host.Env, start host.StartResponse, yield func([]byte, error) bool) {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
			case <-env.Context().Done():
				yield(nil, context.Cause(env.Context()))
				return
			}
			env = env.Clone()
			env.Multithread = false
			each(app(env, start), yield)
		})
	}
}
