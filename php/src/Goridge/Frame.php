<?php

declare(strict_types=1);

namespace RRJobs\Goridge;

/**
 * The Goridge frame: its bits, and its bytes.
 *
 * Layout (little endian): version and header words, flags, payload length u32, CRC-32 of those six bytes, stream bits,
 * a zero byte, then option words u32, then the payload. The CRC covers nothing else.
 */
final class Frame
{
    public const CONTROL = 0x01;
    public const RAW = 0x04;
    public const JSON = 0x08;
    public const ERROR = 0x40;
    public const PROTO = 0x80;

    public const STREAM = 0x01;
    public const STOP = 0x02;
    public const PING = 0x04;
    public const PONG = 0x08;

    public const HEADER_BYTES = 12;
    public const MAX_HEADER_WORDS = 13;

    private const REMEMBERED = 512;

    /** @var array<int, string> the first ten bytes of recent data frames */
    private static array $heads = [];

    /**
     * @param int    $flags   codec, CONTROL and ERROR bits
     * @param int    $stream  STREAM, STOP, PING and PONG bits
     * @param int    $words   length of the header in words of four bytes; three plus the number of options
     * @param string $payload for a data frame: context and body, `$option` is the length of the context
     */
    public function __construct(
        public readonly int $flags,
        public readonly int $stream,
        public readonly int $words,
        public readonly int $option,
        public readonly string $payload,
        public readonly int $secondOption = 0,
    ) {
    }

    /**
     * A data frame, in either direction.
     */
    public static function data(string $context, string $body, int $flags = 0, int $stream = 0): string
    {
        $cut = \strlen($context);
        $length = $cut + \strlen($body);
        $head = self::$heads[$length << 8 | $flags] ?? self::remember($length, $flags);

        return $head . \chr($stream) . \pack('xV', $cut) . $context . $body;
    }

    /**
     * A frame without options: control, error, stream stop and pong.
     */
    public static function plain(string $payload, int $flags = 0, int $stream = 0): string
    {
        return self::head(3, $flags, \strlen($payload)) . \chr($stream) . "\0" . $payload;
    }

    /**
     * An RPC call or its reply.
     */
    public static function rpc(int $sequence, string $method, string $body, int $flags): string
    {
        $name = \strlen($method);

        return self::head(5, $flags, $name + \strlen($body)) . \pack('xxVV', $sequence, $name) . $method . $body;
    }

    private static function head(int $words, int $flags, int $length): string
    {
        if ($length > 0xFFFFFFFF) {
            throw new \LengthException("a frame holds at most 4 GiB, not {$length} bytes");
        }
        $head = \pack('CCV', 0x10 | $words, $flags, $length);

        return $head . \pack('V', \crc32($head));
    }

    private static function remember(int $length, int $flags): string
    {
        if (\count(self::$heads) >= self::REMEMBERED) {
            self::$heads = [];
        }

        return self::$heads[$length << 8 | $flags] = self::head(4, $flags, $length);
    }
}
