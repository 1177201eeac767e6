<?php
/*
 * A request from PHP to a Go application. Build and run it, from the top of the tree:
 *
 *     make library
 *     php examples/php/hello.php build/libpillion.so hello '/?name=PHP'
 */

require __DIR__ . '/pillion.php';

[, $path, $name, $target] = $argv;

try {
    $library = new Pillion\Library($path);
    $library->init();
    $response = $library->call($library->app($name), [
        ['REQUEST_METHOD', 'POST'],
        ['REQUEST_URI', $target],
        ['SERVER_PROTOCOL', 'HTTP/1.1'],
        ['HTTP_HOST', 'localhost'],
        ['CONTENT_TYPE', 'application/x-www-form-urlencoded'],
        ['CONTENT_LENGTH', '11'],
    ], 'color=green');
    $library->stop();
} catch (Pillion\Aborted $e) {
    fwrite(STDERR, $e->getMessage() . ', after ' . strlen($e->response->body) . " bytes\n");
    exit(1);
} catch (Pillion\Error $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}

echo $response->status, "\n";
foreach ($response->headers as [$field, $value]) {
    echo "$field: $value\n";
}
echo "\n", $response->body;
