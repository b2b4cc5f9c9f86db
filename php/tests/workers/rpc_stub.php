<?php

/**
 * A small RPC server for the client's tests: prints its address, then serves one connection after another. The method says
 * what it does; it is written apart from the library.
 *
 *   test.Echo     answers with the argument
 *   test.Frame    answers with the hex of the whole frame that came, as JSON
 *   test.Error    an error with the argument as its text
 *   test.Swap     answers two calls, the second first
 *   test.Foreign  answers with another sequence number
 *   test.Bare     answers without options
 *   test.Codec    answers in the raw codec
 *   test.Empty    answers with nothing
 *   test.Junk     answers with bytes that are no frame
 *   test.Silent   does not answer
 *   test.Close    closes the connection
 *   test.Half     closes the connection in the middle of an answer
 *   jobs.*        answers with the bytes in ANSWER, as hex, and prints the call's body as hex, or its length when it is long
 */

declare(strict_types=1);

$server = stream_socket_server($argv[1] ?? 'tcp://127.0.0.1:0', $code, $reason) ?: exit($reason);
fwrite(STDOUT, stream_socket_get_name($server, false) . "\n");

$frame = static function (string $payload, int $flags, int ...$options): string {
    $head = pack('CCV', 0x10 | (3 + count($options)), $flags, strlen($payload));

    return $head . pack('Vxx', crc32($head)) . pack('V*', ...$options) . $payload;
};
$read = static function ($client, int $bytes): string {
    $got = '';
    while (strlen($got) < $bytes) {
        $more = fread($client, $bytes - strlen($got));
        if ($more === '' || $more === false) {
            return '';
        }
        $got .= $more;
    }

    return $got;
};

while ($client = stream_socket_accept($server, 60)) {
    $held = '';
    while (($head = $read($client, 20)) !== '') {
        [, $length] = unpack('V', $head, 2);
        [, $sequence, $cut] = unpack('V2', $head, 12);
        $payload = $length ? $read($client, $length) : '';
        $method = substr($payload, 0, $cut);
        $body = substr($payload, $cut);
        $flags = ord($head[1]);
        $answer = static fn (string $bytes) => $frame($method . $bytes, $flags, $sequence, $cut);
        if (str_starts_with($method, 'jobs.')) {
            fwrite(STDOUT, $method . ' ' . ($length > 10000 ? "{$length} bytes" : bin2hex($body)) . "\n");
            fwrite($client, $answer((string) hex2bin((string) getenv('ANSWER'))));
            continue;
        }
        switch ($method) {
            case 'test.Echo': fwrite($client, $answer($body)); break;
            case 'test.Frame': fwrite($client, $answer('"' . bin2hex($head . $payload) . '"')); break;
            case 'test.Error': fwrite($client, $frame($method . $body, $flags | 0x40, $sequence, $cut)); break;
            case 'test.Swap':
                $held = $answer($body) . $held;
                if (strlen($held) > strlen($answer($body))) {
                    fwrite($client, $held);
                    $held = '';
                }
                break;
            case 'test.Foreign': fwrite($client, $frame($method . $body, $flags, $sequence + 1, $cut)); break;
            case 'test.Bare': fwrite($client, $frame($body, $flags)); break;
            case 'test.Codec': fwrite($client, $frame($method . $body, 0x04, $sequence, $cut)); break;
            case 'test.Empty': fwrite($client, $answer('')); break;
            case 'test.Junk': fwrite($client, str_repeat('junk', 20)); break;
            case 'test.Silent': break;
            case 'test.Half': fwrite($client, substr($answer($body), 0, 15)); // and close
            case 'test.Close': fclose($client); continue 3;
        }
    }
}
