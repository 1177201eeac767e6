// The Lambda runtime API: events come by HTTP, replies go back the same way.

package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"
)

// runtimeAPI is the environment variable that has the host and port of the API.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

// serveLambda takes events until ctx ends.
func serveLambda(ctx context.Context, api string, h http.Handler) error {
	process.Multithread = false
	l := &lambda{base: "http://" + api + "/2018-06-01/runtime/", h: h}
	if err := Start(Settings{}); err != nil {
		l.post(ctx, "init/error", functionError(err))
		return err
	}
	var err error
	for err == nil && ctx.Err() == nil {
		err = l.next(ctx)
	}
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, Stop(0, stopTime))
}

// lambda is a client of the API.
type lambda struct {
	base   string
	h      http.Handler
	client http.Client // without a time limit: the next event may be long in coming
}

// next serves the next event. An error is one of the API.
func (l *lambda) next(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.base+"invocation/next", nil)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	answer, err := l.client.Do(r)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	defer answer.Body.Close()
	event, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	id := answer.Header.Get("Lambda-Runtime-Aws-Request-Id")
	if answer.StatusCode != http.StatusOK || id == "" {
		return fmt.Errorf("host: the runtime API gave no event: %s", answer.Status)
	}
	os.Setenv("_X_AMZN_TRACE_ID", answer.Header.Get("Lambda-Runtime-Trace-Id"))

	// The event is served to its end although the process is told to stop.
	during, cancel := invocationContext(context.WithoutCancel(ctx), answer.Header)
	defer cancel()
	reply, err := serveEvent(during, "", l.h, event, functionContext(id, answer.Header))
	if err != nil {
		logLine(slog.LevelError, []byte("PILLION-1307: the event got no answer: "+err.Error()))
		return l.post(context.WithoutCancel(ctx), "invocation/"+id+"/error", functionError(err))
	}
	return l.post(context.WithoutCancel(ctx), "invocation/"+id+"/response", reply)
}

// invocationContext ends when the service does not wait any more.
func invocationContext(ctx context.Context, h http.Header) (context.Context, context.CancelFunc) {
	ms, err := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if err != nil {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, time.UnixMilli(ms))
}

// functionContext is what the service tells of an invocation, under the names its
// own libraries use.
func functionContext(id string, h http.Header) []byte {
	deadline, _ := strconv.ParseInt(h.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	b, _ := json.Marshal(map[string]any{
		"awsRequestId":       id,
		"invokedFunctionArn": h.Get("Lambda-Runtime-Invoked-Function-Arn"),
		"deadlineMs":         deadline,
		"traceId":            h.Get("Lambda-Runtime-Trace-Id"),
		"functionName":       os.Getenv("AWS_LAMBDA_FUNCTION_NAME"),
		"functionVersion":    os.Getenv("AWS_LAMBDA_FUNCTION_VERSION"),
		"memoryLimitInMB":    os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
		"logGroupName":       os.Getenv("AWS_LAMBDA_LOG_GROUP_NAME"),
		"logStreamName":      os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"),
	})
	return b
}

func functionError(err error) []byte {
	b, _ := json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": "host.Error"})
	return b
}

// post sends a reply or an error.
func (l *lambda) post(ctx context.Context, path string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := l.client.Do(r)
	if err != nil {
		return fmt.Errorf("host: %w", err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("host: the runtime API took no %s: %s", path, answer.Status)
	}
	return nil
}
