<?php

declare(strict_types=1);

namespace RRJobs\Protobuf;

/**
 * The bytes of protobuf fields. A field with its zero value is left out, as proto3 does.
 */
final class Writer
{
    public static function bytes(int $field, string $value): string
    {
        return $value === '' ? '' : self::message($field, $value);
    }

    public static function int(int $field, int $value): string
    {
        return $value === 0 ? '' : self::varint($field << 3) . self::varint($value);
    }

    public static function bool(int $field, bool $value): string
    {
        return $value ? self::varint($field << 3) . "\x01" : '';
    }

    /**
     * A field that is there even when it is empty: a message inside a message, or one element of a list.
     */
    public static function message(int $field, string $value): string
    {
        return self::varint($field << 3 | Reader::BYTES) . self::varint(\strlen($value)) . $value;
    }

    /**
     * @param iterable<string|int, string> $map
     */
    public static function map(int $field, iterable $map): string
    {
        $fields = '';
        foreach ($map as $key => $value) {
            $fields .= self::message($field, self::bytes(1, (string) $key) . self::bytes(2, $value));
        }

        return $fields;
    }

    public static function varint(int $value): string
    {
        if ($value >= 0 && $value < 0x80) {
            return \chr($value);
        }
        $bytes = '';
        do {
            $rest = $value >> 7 & 0x01FFFFFFFFFFFFFF;
            $bytes .= \chr($value & 0x7F | ($rest === 0 ? 0 : 0x80));
            $value = $rest;
        } while ($value !== 0);

        return $bytes;
    }
}
