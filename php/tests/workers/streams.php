<?php

/**
 * Streams as the published packages of 2024 do: a PING on every fifth part, and whatever else is found in the input while
 * its PONG is awaited is lost. `/silent` is never answered, `/stop` hands the request back for ever, `/endless` never ends.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

use RRJobs\Environment;
use RRJobs\Goridge\Frame;
use RRJobs\Goridge\FrameReader;
use RRJobs\Goridge\RelayFactory;

$relay = RelayFactory::open(Environment::relay());
$reader = new FrameReader($relay);
$head = '{"status":200,"headers":{}}';

$part = static function (string $body, bool $ping = false) use ($relay, $head): void {
    $relay->write(Frame::data($head, $body, Frame::JSON, Frame::STREAM | ($ping ? Frame::PING : 0)));
};

while (($frame = $reader->next()) !== null) {
    if ($frame->flags & Frame::CONTROL) {
        if (isset(\json_decode($frame->payload, true)['stop'])) {
            exit(0);
        }
        $relay->write(Frame::plain('{"pid":' . \getmypid() . '}', Frame::CONTROL));
        continue;
    }
    if ($frame->stream & (Frame::STOP | Frame::PONG)) {
        continue;
    }
    $path = \parse_url(\json_decode(\substr($frame->payload, 0, $frame->option), true)['uri'], PHP_URL_PATH);
    if ($path === '/silent') {
        continue;
    }
    if ($path === '/stop') {
        $relay->write(Frame::data('{"stop":true}', ''));
        continue;
    }
    if ($path === '/echo') {
        \fwrite(STDERR, 'printed by ' . \json_decode(\substr($frame->payload, 0, $frame->option), true)['rawQuery'] . "\n");
    }
    if ($path === '/stream') {
        for ($number = 0; $number < 12; ++$number) {
            $part("part {$number}\n", $number % 5 === 4);
            while ($number % 5 === 4 && ($other = $reader->next())->stream !== Frame::PONG) {
            }
        }
    }
    for ($number = 0; $path === '/endless'; ++$number) {
        $part(\str_repeat('x', 8192));
    }
    $relay->write(Frame::data($path === '/stream' ? '' : $head, 'end', Frame::JSON));
}
