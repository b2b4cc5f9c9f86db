<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\ProtocolException;
use RRJobs\Http\Codec;
use RRJobs\Http\JsonCodec;
use RRJobs\Http\ProtoCodec;
use RRJobs\Http\Request;
use RRJobs\Http\Upload;
use RRJobs\Payload;
use RRJobs\Protobuf\Writer;

final class HttpCodecTest extends TestCase
{
    private const RECORDED = '0a093132372e302e302e31' . '1208485454502f312e31' . '1a03474554'
        . '220d687474703a2f2f682f3f613d31' . '2a0d0a03582d4112060a01310a0132' . '3a03613d31';

    public function testTheRecordedRequestIsRead(): void
    {
        $request = (new ProtoCodec())->request(new Payload(hex2bin(self::RECORDED), '', 0x80));
        $same = new Request(
            '127.0.0.1',
            'HTTP/1.1',
            'GET',
            'http://h/?a=1',
            ['X-A' => ['1', '2']],
            rawQuery: 'a=1',
        );
        self::assertEquals($same, $request);
    }

    public function testTheRecordedHeadsAreWritten(): void
    {
        self::assertSame(
            '08c801120a0a03582d4112030a0131',
            bin2hex((new ProtoCodec())->head(200, ['X-A' => ['1']])),
        );
        self::assertSame('{"status":200,"headers":{"X-A":["1"]}}', (new JsonCodec())->head(200, ['X-A' => ['1']]));
        self::assertSame('{"status":200,"headers":{}}', (new JsonCodec())->head(200, []));
    }

    public function testBothCodecsReadTheSameRequest(): void
    {
        $uploads = ['file' => ['name' => 'a.txt', 'mime' => 'text/plain', 'size' => 3, 'error' => 0, 'tmpName' => '/tmp/x']];
        $values = static fn (string ...$values) => implode('', array_map(
            static fn (string $value) => Writer::message(1, $value),
            $values,
        ));
        $proto = Writer::bytes(1, '10.0.0.9') . Writer::bytes(2, 'HTTP/2.0') . Writer::bytes(3, 'POST')
            . Writer::bytes(4, 'https://h/p?q=1&l[]=2')
            . Writer::map(5, ['Accept' => $values('a', 'b'), '7' => $values('dropped'), '' => $values('dropped')])
            . Writer::map(6, ['id' => $values('x'), 'many' => $values('1', '2')])
            . Writer::bytes(7, 'q=1&l[]=2') . Writer::bool(8, true) . Writer::bytes(9, json_encode($uploads))
            . Writer::map(10, ['ipAddress' => $values('1.2.3.4', 'ignored')])
            . Writer::bytes(99, 'a field of tomorrow');
        $json = json_encode([
            'remoteAddr' => '10.0.0.9', 'protocol' => 'HTTP/2.0', 'method' => 'POST', 'uri' => 'https://h/p?q=1&l[]=2',
            'headers' => ['Accept' => ['a', 'b'], '7' => ['dropped'], '' => ['dropped']],
            'cookies' => ['id' => 'x', 'many' => '1,2'], 'rawQuery' => 'q=1&l[]=2', 'parsed' => true,
            'uploads' => $uploads, 'attributes' => ['ipAddress' => '1.2.3.4'],
        ]);
        $body = '{"f":{"0":"x","1":"y"}}';
        $fromProto = (new ProtoCodec())->request(new Payload($proto, $body, 0x80));
        $fromJson = (new JsonCodec())->request(new Payload($json, $body, 0x08));
        self::assertEquals($fromJson, $fromProto);
        self::assertSame(['q' => '1', 'l' => ['2']], $fromProto->query());
        self::assertSame(['f' => ['x', 'y']], $fromProto->form());
        self::assertSame('/p', $fromProto->path());
        self::assertSame('a, b', $fromProto->header('ACCEPT'));
        self::assertSame('none', $fromProto->header('X-None', 'none'));
        self::assertEquals(['file' => new Upload('a.txt', 'text/plain', 3, 0, '/tmp/x')], $fromProto->files());
    }

    public function testUploadsKeepTheirNesting(): void
    {
        $leaf = ['name' => 'n', 'mime' => '', 'size' => 0, 'error' => 8, 'tmpName' => ''];
        $file = new Upload('n', '', 0, 8, '');
        self::assertEquals(
            ['a' => [$file, $file], 'b' => ['c' => $file], 'name' => ['error' => $file]],
            Upload::tree(['a' => [$leaf, $leaf], 'b' => ['c' => $leaf], 'name' => ['error' => $leaf]]),
        );
    }

    public function testAFormWithoutFieldsIsAnEmptyForm(): void
    {
        self::assertNull((new Request('', '', 'POST', '/'))->form());
        self::assertSame([], (new Request('', '', 'POST', '/', body: '', parsed: true))->form());
        self::assertSame([], (new Request('', '', 'POST', '/', body: '{}', parsed: true))->form());
    }

    public function testKeysThatMayBeMissingOrNull(): void
    {
        $context = '{"remoteAddr":"a","protocol":"p","method":"m","uri":"u","rawQuery":"","parsed":false,'
            . '"headers":null,"cookies":null,"uploads":null}';
        $request = (new JsonCodec())->request(new Payload($context, 'body', 0x08));
        self::assertEquals(new Request('a', 'p', 'm', 'u', body: 'body'), $request);
    }

    /**
     * @dataProvider wrongContexts
     */
    public function testAWrongContextIsRefused(Codec $codec, string $context): void
    {
        $this->expectException(ProtocolException::class);
        $codec->request(new Payload($context, '', 0));
    }

    /**
     * @return iterable<array{Codec, string}>
     */
    public function wrongContexts(): iterable
    {
        foreach (['', 'null', '5', '"x"', '{', "{\"method\":\"\xff\"}", '{}', '{"method":[]}', str_repeat('[', 5000)] as $json) {
            yield [new JsonCodec(), $json];
        }
        $recorded = hex2bin(self::RECORDED);
        yield [new ProtoCodec(), ''];
        yield [new ProtoCodec(), substr($recorded, 0, -1)];
        yield [new ProtoCodec(), $recorded . "\x4a\x03{]}"];
        yield [new ProtoCodec(), $recorded . "\x40"];
        yield [new ProtoCodec(), $recorded . "\x2a\x02\x0a\x05"];
        yield [new ProtoCodec(), "\x08\x01"];
    }

    public function testFlippedBitsAreReadOrRefused(): void
    {
        $recorded = hex2bin(self::RECORDED);
        $codec = new ProtoCodec();
        $outcomes = ['read' => 0, 'refused' => 0];
        for ($bit = 0; $bit < strlen($recorded) * 8; ++$bit) {
            $flipped = $recorded;
            $flipped[$bit >> 3] = chr(ord($flipped[$bit >> 3]) ^ 1 << ($bit & 7));
            try {
                $codec->request(new Payload($flipped, '', 0x80));
                ++$outcomes['read'];
            } catch (ProtocolException) {
                ++$outcomes['refused'];
            }
        }
        self::assertGreaterThan(0, min($outcomes));
    }

    public function testAHeaderThatJsonCannotCarryIsNamedBeforeAnythingIsSent(): void
    {
        $this->expectException(\InvalidArgumentException::class);
        (new JsonCodec())->head(200, ['X' => ["\xff"]]);
    }

    public function testProtobufCarriesAnyBytesInAHeader(): void
    {
        self::assertStringContainsString("\xff\0", (new ProtoCodec())->head(200, ['X' => ["\xff\0"]]));
    }
}
