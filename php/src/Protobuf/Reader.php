<?php

declare(strict_types=1);

namespace RRJobs\Protobuf;

use RRJobs\Exception\ProtocolException;

/**
 * Reads the fields of one protobuf message, one after another.
 *
 * Call `next()`; then exactly one of `int()`, `bytes()` and `skip()`.
 */
final class Reader
{
    public const VARINT = 0;
    public const FIXED64 = 1;
    public const BYTES = 2;
    public const FIXED32 = 5;

    private const MAX_FIELD = 536870911;

    private int $position = 0;
    private readonly int $end;
    private int $type = self::VARINT;

    public function __construct(private readonly string $message)
    {
        $this->end = \strlen($message);
    }

    /**
     * The number of the next field; 0 at the end of the message.
     */
    public function next(): int
    {
        if ($this->position >= $this->end) {
            return 0;
        }
        $tag = $this->varint();
        $this->type = $tag & 7;
        $field = $tag >> 3;
        if ($field < 1 || $field > self::MAX_FIELD) {
            throw new ProtocolException("a protobuf message has no field {$field}");
        }

        return $field;
    }

    public function int(): int
    {
        $this->expect(self::VARINT);

        return $this->varint();
    }

    public function bytes(): string
    {
        $this->expect(self::BYTES);
        $length = $this->varint();
        $from = $this->advance($length);

        return \substr($this->message, $from, $length);
    }

    public function skip(): void
    {
        match ($this->type) {
            self::VARINT => $this->varint(),
            self::FIXED64 => $this->advance(8),
            self::BYTES => $this->advance($this->varint()),
            self::FIXED32 => $this->advance(4),
            default => throw new ProtocolException("protobuf wire type {$this->type} is not known"),
        };
    }

    private function varint(): int
    {
        $value = $shift = 0;
        do {
            if ($this->position >= $this->end || $shift > 63) {
                throw new ProtocolException('a protobuf number is cut off or too long');
            }
            $byte = \ord($this->message[$this->position++]);
            $value |= ($byte & 0x7F) << $shift;
            $shift += 7;
        } while ($byte > 0x7F);

        return $value;
    }

    /**
     * Step over so many bytes, and say where they begin.
     */
    private function advance(int $bytes): int
    {
        $from = $this->position;
        if ($bytes < 0 || $bytes > $this->end - $from) {
            throw new ProtocolException('a protobuf field is longer than its message');
        }
        $this->position = $from + $bytes;

        return $from;
    }

    private function expect(int $type): void
    {
        if ($this->type !== $type) {
            throw new ProtocolException("a protobuf field has wire type {$this->type}, not {$type}");
        }
    }
}
