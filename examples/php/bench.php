<?php
/*
 * What a call costs, and whether calls leave something behind:
 *
 *     make library
 *     php examples/php/bench.php build/libpillion.so 100000
 */

require __DIR__ . '/pillion.php';

[, $path, $calls] = $argv;

$body = 'name=' . str_repeat('x', 1000);
$environ = [
    ['REQUEST_METHOD', 'POST'], ['REQUEST_URI', '/'], ['SERVER_PROTOCOL', 'HTTP/1.1'], ['HTTP_HOST', 'localhost'],
    ['CONTENT_TYPE', 'application/x-www-form-urlencoded'], ['CONTENT_LENGTH', (string) strlen($body)],
];

$library = new Pillion\Library($path);
$library->init([], ['log_level' => 8]);
$hello = $library->app('hello');

$run = function (int $n) use ($library, $hello, $environ, $body): void {
    for ($i = 0; $i < $n; $i++) {
        $response = $library->call($hello, $environ, $body);
        if ($response->status !== 200 || strlen($response->body) !== 1009) {
            throw new RuntimeException("call $i: {$response->status}");
        }
        try {
            $library->call(0, $environ, $body);
            throw new RuntimeException('0 is no application');
        } catch (Pillion\Error) {
        }
    }
};

function resident(): int
{
    preg_match('/^VmRSS:\s+(\d+)/m', file_get_contents('/proc/self/status'), $match);
    return (int) $match[1];
}

$run(intdiv($calls, 10));
[$before, $start] = [resident(), hrtime(true)];
$run($calls);
printf("php: %d calls, %.1f us each, resident %d KiB, then %d KiB\n", $calls, (hrtime(true) - $start) / 1e3 / $calls, $before, resident());
$library->stop();
