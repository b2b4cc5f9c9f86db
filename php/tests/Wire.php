<?php

declare(strict_types=1);

namespace RRJobs\Tests;

/**
 * Frames as the server writes and reads them, apart from the library's own code.
 */
final class Wire
{
    public static function frame(string $payload, int $flags = 0, int $stream = 0, int ...$options): string
    {
        $head = pack('CCV', 0x10 | (3 + count($options)), $flags, strlen($payload));

        return $head . pack('VCC', crc32($head), $stream, 0) . pack('V*', ...$options) . $payload;
    }

    public static function fence(): string
    {
        return self::frame('{"pid":1000}', 0x09);
    }

    public static function end(): string
    {
        return self::frame('{"stop":true}', 0x09);
    }

    public static function streamStop(): string
    {
        return self::frame('', 0, 0x02);
    }

    public static function pong(): string
    {
        return self::frame('', 0, 0x08);
    }

    /**
     * @param array<string, mixed> $context
     */
    public static function job(string $payload, array $context = []): string
    {
        $context = json_encode($context + [
            'id' => '7', 'job' => 'ping', 'driver' => 'memory', 'headers' => new \stdClass(), 'pipeline' => 'test',
        ]);

        return self::frame($context . $payload, 0x04, 0, strlen($context));
    }

    /**
     * @param array<string, mixed> $context
     */
    public static function request(array $context = [], string $body = '', int $flags = 0x08): string
    {
        $context = json_encode($context + [
            'remoteAddr' => '127.0.0.1', 'protocol' => 'HTTP/1.1', 'method' => 'GET', 'uri' => 'http://h/?a=1',
            'headers' => new \stdClass(), 'cookies' => new \stdClass(), 'rawQuery' => 'a=1', 'parsed' => false,
            'uploads' => null, 'attributes' => new \stdClass(),
        ]);

        return self::frame($context . $body, $flags, 0, strlen($context));
    }

    /**
     * Cut bytes into frames; what is no whole frame fails.
     *
     * @return list<array{flags: int, stream: int, options: list<int>, payload: string}>
     */
    public static function cut(string $bytes): array
    {
        $frames = [];
        while ($bytes !== '') {
            if (strlen($bytes) < 12 || strlen($bytes) < ($length = self::length($bytes))) {
                throw new \UnexpectedValueException('half a frame: ' . bin2hex($bytes));
            }
            $frames[] = self::read(substr($bytes, 0, $length));
            $bytes = substr($bytes, $length);
        }

        return $frames;
    }

    public static function length(string $bytes): int
    {
        return (ord($bytes[0]) & 0x0F) * 4 + unpack('V', $bytes, 2)[1];
    }

    /**
     * @return array{flags: int, stream: int, options: list<int>, payload: string}
     */
    private static function read(string $frame): array
    {
        if (unpack('V', $frame, 6)[1] !== crc32(substr($frame, 0, 6))) {
            throw new \UnexpectedValueException('wrong CRC: ' . bin2hex($frame));
        }
        $header = (ord($frame[0]) & 0x0F) * 4;

        return [
            'flags' => ord($frame[1]),
            'stream' => ord($frame[10]),
            'options' => array_values(unpack('V*', substr($frame, 12, $header - 12)) ?: []),
            'payload' => substr($frame, $header),
        ];
    }
}
