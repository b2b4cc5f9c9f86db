<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\ProtocolException;
use RRJobs\Protobuf\Reader;
use RRJobs\Protobuf\Writer;

final class ProtobufTest extends TestCase
{
    /**
     * @dataProvider numbers
     */
    public function testANumberComesBack(int $number, string $hex): void
    {
        self::assertSame($hex, bin2hex(Writer::varint($number)));
        $reader = new Reader("\x08" . Writer::varint($number));
        self::assertSame(1, $reader->next());
        self::assertSame($number, $reader->int());
        self::assertSame(0, $reader->next());
    }

    /**
     * @return iterable<array{int, string}>
     */
    public function numbers(): iterable
    {
        yield [0, '00'];
        yield [1, '01'];
        yield [127, '7f'];
        yield [128, '8001'];
        yield [200, 'c801'];
        yield [16384, '808001'];
        yield [PHP_INT_MAX, 'ffffffffffffffff7f'];
        yield [-1, 'ffffffffffffffffff01'];
        yield [PHP_INT_MIN, '80808080808080808001'];
    }

    public function testZeroValuesAreLeftOut(): void
    {
        self::assertSame('', Writer::int(1, 0) . Writer::bytes(1, '') . Writer::bool(1, false) . Writer::map(1, []));
        self::assertSame("\x0a\0", Writer::message(1, ''));
        self::assertSame("\x28\x01", Writer::bool(5, true));
        self::assertSame('0a060a016112013a', bin2hex(Writer::map(1, ['a' => ':'])));
    }

    public function testFieldsOfEveryKindCanBeSkipped(): void
    {
        $message = "\x08\x96\x01" . "\x11" . str_repeat('8', 8) . "\x1a\x03abc" . "\x25" . '4444' . "\x2a\x01z";
        $reader = new Reader($message);
        for ($field = 1; $field <= 4; ++$field) {
            self::assertSame($field, $reader->next());
            $reader->skip();
        }
        self::assertSame(5, $reader->next());
        self::assertSame('z', $reader->bytes());
        self::assertSame(0, $reader->next());
    }

    /**
     * @dataProvider hostile
     */
    public function testHostileBytesAreRefused(string $hex): void
    {
        $reader = new Reader(hex2bin($hex));
        $this->expectException(ProtocolException::class);
        while ($reader->next() !== 0) {
            $reader->skip();
        }
    }

    /**
     * @return iterable<string, array{string}>
     */
    public function hostile(): iterable
    {
        yield 'field zero' => ['0001'];
        yield 'tag cut off' => ['80'];
        yield 'number cut off' => ['0880'];
        yield 'number of eleven bytes' => ['08' . str_repeat('80', 10) . '01'];
        yield 'length cut off' => ['0a'];
        yield 'length past the end' => ['0a05616263'];
        yield 'length of 2^63' => ['0a80808080808080808001'];
        yield 'length of 2^64 - 1' => ['0affffffffffffffffff01'];
        yield 'fixed64 cut off' => ['0901020304050607'];
        yield 'fixed32 cut off' => ['0d010203'];
        yield 'group' => ['0b0c'];
        yield 'wire type 6' => ['0e'];
        yield 'wire type 7' => ['0f'];
        yield 'field number past the last' => ['80808080808080808001' . '00'];
    }

    public function testAFieldOfAnotherTypeIsRefused(): void
    {
        foreach ([["\x08\x01", 'bytes'], ["\x0a\x01a", 'int'], ["\x0d\x01\x02\x03\x04", 'int']] as [$message, $read]) {
            $reader = new Reader($message);
            $reader->next();
            try {
                $reader->$read();
                self::fail("{$read}() took a field of another type");
            } catch (ProtocolException) {
                self::assertTrue(true);
            }
        }
    }

    public function testRandomBytesEndOrAreRefused(): void
    {
        mt_srand(1);
        $outcomes = ['read' => 0, 'refused' => 0];
        for ($round = 0; $round < 5000; ++$round) {
            $reader = new Reader(random_bytes(mt_rand(1, 12)));
            try {
                while ($reader->next() !== 0) {
                    $reader->skip();
                }
                ++$outcomes['read'];
            } catch (ProtocolException) {
                ++$outcomes['refused'];
            }
        }
        self::assertGreaterThan(0, $outcomes['read']);
        self::assertGreaterThan(0, $outcomes['refused']);
    }
}
