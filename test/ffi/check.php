<?php
/* What the PHP binding does when things go right and wrong, a line each: check.php BINDING LIBRARY TARGET */

[, $binding, $path, $target] = $argv;
require $binding;

try {
    $library = new Pillion\Library($path);
} catch (Pillion\Error $e) {
    echo "load: {$e->getCode()} {$e->getMessage()}\n";
    exit;
}

function attempt(string $what, callable $act): void
{
    try {
        $act();
        echo "$what ok\n";
    } catch (Pillion\Aborted $e) {
        echo "$what {$e->getCode()} {$e->getMessage()} [{$e->response->status} {$e->response->body}]\n";
    } catch (Pillion\Error $e) {
        echo "$what {$e->getCode()} {$e->getMessage()}\n";
    }
}

$get = fn (int $app, string $target, string $method = 'GET', string $body = '') => $library->call($app, [
    ['REQUEST_METHOD', $method], ['REQUEST_URI', $target], ['CONTENT_LENGTH', (string) strlen($body)],
], $body);

$behave = $library->app('behave');
attempt('early:', fn () => $get($behave, '/'));
attempt('init:', fn () => $library->init([['BEHAVE_X', 'from the host']], ['log_level' => 99]));
attempt('again:', fn () => $library->init());
attempt('nobody:', fn () => $library->app('nobody'));
$every = str_repeat(implode('', array_map('chr', range(0, 255))), 4);
echo 'echo: ', $get($behave, '/echo', 'POST', $every)->body === $every ? 'same' : 'different', "\n";
echo 'env: ', str_contains($get($behave, '/runtime?env=BEHAVE_X')->body, 'from the host') ? 'there' : 'missing', "\n";
$response = $get($behave, $target);
$many = implode('|', array_column(array_filter($response->headers, fn ($header) => $header[0] === 'X-Many'), 1));
echo "response: $response->status $many $response->body ", implode('=', $response->trailers[0]), "\n";
attempt('cut:', fn () => $get($behave, '/panic?n=10&flush=1'));
attempt('nothing:', fn () => $get($behave, '/panic'));
attempt('stop:', fn () => $library->stop());
attempt('late:', fn () => $get($behave, '/'));
