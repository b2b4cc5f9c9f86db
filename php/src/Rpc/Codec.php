<?php

declare(strict_types=1);

namespace RRJobs\Rpc;

/**
 * How the argument and the result of a call are written; the value is the frame's flag.
 */
enum Codec: int
{
    /** Any value, as JSON. */
    case Json = 0x08;

    /** Bytes as they are. */
    case Raw = 0x04;

    /** The bytes of a protobuf message. */
    case Proto = 0x80;

    public function encode(mixed $value): string
    {
        return $this === self::Json ? \json_encode($value, \JSON_THROW_ON_ERROR) : (string) $value;
    }

    public function decode(string $bytes): mixed
    {
        return $this === self::Json ? \json_decode($bytes, true, 512, \JSON_THROW_ON_ERROR) : $bytes;
    }
}
