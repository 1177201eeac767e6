<?php
/*
 * Go web applications in a PHP process: pillion.h by PHP's FFI.
 *
 *     require 'pillion.php';
 *     $library = new Pillion\Library('build/libpillion.so');
 *     $library->init();
 *     $response = $library->call($library->app('hello'), [['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/']]);
 *
 * Strings are bytes, both ways. pillion.cdef.h holds the declarations; what a
 * status or a field means stands in pillion.h.
 */

namespace Pillion;

/** A status that is not PILLION_OK: getCode() is its number, $name PILLION_E_...; 0 and '' if loading failed. */
class Error extends \RuntimeException
{
    public function __construct(int $status, public readonly string $name, string $text)
    {
        parent::__construct($name === '' ? $text : "$name: $text", $status);
    }
}

/** The application broke off: $response is what it had sent, with status 0 if nothing. */
class Aborted extends Error
{
    public Response $response;
}

/** A whole response. headers and trailers are lists of [name, value]. */
class Response
{
    public function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly array $trailers,
        public readonly string $body,
    ) {
    }
}

/** A loaded library, of which there is one in a process and which stays. Load it after the last fork. */
class Library
{
    private const DECLARATIONS = __DIR__ . '/pillion.cdef.h';

    private \FFI $c;
    private array $names = [];

    public function __construct(string $path)
    {
        // Of a const char * PHP would make a string by itself, up to a NUL.
        $text = str_replace('const char', 'char', file_get_contents(self::DECLARATIONS));
        preg_match_all('/(PILLION_E_[A-Z]+) = (-\d+)/', $text, $matches, PREG_SET_ORDER);
        foreach ($matches as [, $name, $number]) {
            $this->names[(int) $number] = $name;
        }

        // Go's threads are to inherit a full mask: signals are for PHP's.
        $signals = \FFI::cdef('
            typedef struct { unsigned long bits[16]; } set;
            int sigfillset(set *set);
            int pthread_sigmask(int how, const set *set, set *old);
        ');
        [$all, $old] = [$signals->new('set'), $signals->new('set')];
        $signals->sigfillset(\FFI::addr($all));
        $signals->pthread_sigmask(SIG_SETMASK, \FFI::addr($all), \FFI::addr($old));
        try {
            // Without a slash it would be looked for elsewhere.
            $this->c = \FFI::cdef($text, str_contains($path, '/') ? $path : "./$path");
        } catch (\FFI\Exception $e) {
            throw new Error(0, '', "cannot load \"$path\": {$e->getMessage()}");
        } finally {
            $signals->pthread_sigmask(SIG_SETMASK, \FFI::addr($old), null);
        }

        $abi = $this->c->pillion_abi();
        if ($abi >> 16 !== $this->c->PILLION_ABI_MAJOR || ($abi & 0xffff) < $this->c->PILLION_ABI_MINOR) {
            throw new Error(0, '', sprintf('cannot load "%s": it has the Pillion ABI %d.%d, %d.%d is needed', $path,
                $abi >> 16, $abi & 0xffff, $this->c->PILLION_ABI_MAJOR, $this->c->PILLION_ABI_MINOR));
        }
    }

    public function check(int $status): void
    {
        if ($status !== $this->c->PILLION_OK) {
            throw new Error($status, $this->name($status), $this->text($status));
        }
    }

    /** pillion_init(): $env are variables for the applications, $settings fields of pillion_config. */
    public function init(array $env = [], array $settings = []): void
    {
        $config = $this->c->new('pillion_config');
        foreach ($settings as $name => $value) {
            $config->$name = $value;
        }
        $config->size = \FFI::sizeof($config);
        $variables = $this->pairs($env);
        [$config->env, $config->env_len] = [\FFI::addr($variables[0][0]), count($env)];
        $this->check($this->c->pillion_init(\FFI::addr($config)));
    }

    /** The handle of the application registered under a name. */
    public function app(string $name): int
    {
        [$bytes, $app] = [$this->bytes($name), $this->c->new('uint64_t')];
        $this->check($this->c->pillion_app_find(\FFI::addr($bytes[0]), strlen($name), \FFI::addr($app)));
        return $app->cdata;
    }

    /** pillion_call(): $environ and $headers are lists of [name, value]. */
    public function call(int $app, array $environ, string $body = '', array $headers = []): Response
    {
        [$request, $raw] = [$this->c->new('pillion_request'), $this->c->new('pillion_response')];
        [$request->size, $raw->size] = [\FFI::sizeof($request), \FFI::sizeof($raw)];
        [$variables, $fields, $bytes] = [$this->pairs($environ), $this->pairs($headers), $this->bytes($body)];
        [$request->environ, $request->environ_len] = [\FFI::addr($variables[0][0]), count($environ)];
        [$request->headers, $request->headers_len] = [\FFI::addr($fields[0][0]), count($headers)];
        [$request->app, $request->body, $request->body_len] = [$app, \FFI::addr($bytes[0]), strlen($body)];

        $status = $this->c->pillion_call(\FFI::addr($request), \FFI::addr($raw));
        if ($status !== $this->c->PILLION_E_ABORTED) {
            $this->check($status);
        }
        $response = new Response(
            $raw->status,
            $this->list($raw->headers, $raw->headers_len),
            $this->list($raw->trailers, $raw->trailers_len),
            $this->string($raw->body, $raw->body_len),
        );
        $this->check($this->c->pillion_response_free($raw->handle));
        if ($status === $this->c->PILLION_E_ABORTED) {
            $aborted = new Aborted($status, $this->name($status), $this->text($status));
            $aborted->response = $response;
            throw $aborted;
        }
        return $response;
    }

    public function stop(int $drain_ms = 1000, int $stop_ms = 5000): void
    {
        $this->check($this->c->pillion_stop($drain_ms, $stop_ms));
    }

    private function name(int $status): string
    {
        return $this->names[$status] ?? (string) $status;
    }

    private function text(int $status): string
    {
        return \FFI::string($this->c->pillion_strerror($status));
    }

    /** A string where C can reach it, as long as what is returned lives. */
    private function bytes(string $string): \FFI\CData
    {
        $bytes = $this->c->new('char[' . strlen($string) + 1 . ']');
        \FFI::memcpy($bytes, $string, strlen($string));
        return $bytes;
    }

    /** Lists of [name, value] as an array of pillion_pair, and the bytes it points to. */
    private function pairs(array $items): array
    {
        $array = $this->c->new('pillion_pair[' . count($items) + 1 . ']');
        $bytes = $this->bytes(implode('', array_merge(...$items)));
        $at = 0;
        foreach (array_values($items) as $i => [$name, $value]) {
            $pair = $array[$i];
            [$pair->name, $pair->name_len] = [\FFI::addr($bytes[$at]), strlen($name)];
            $at += strlen($name);
            [$pair->value, $pair->value_len] = [\FFI::addr($bytes[$at]), strlen($value)];
            $at += strlen($value);
        }
        return [$array, $bytes];
    }

    private function list(?\FFI\CData $pairs, int $length): array
    {
        $items = [];
        for ($i = 0; $i < $length; $i++) {
            $pair = $pairs[$i];
            $items[] = [$this->string($pair->name, $pair->name_len), $this->string($pair->value, $pair->value_len)];
        }
        return $items;
    }

    private function string(?\FFI\CData $bytes, int $length): string
    {
        return $length === 0 ? '' : \FFI::string($bytes, $length);
    }
}
