<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Goridge\Frame;
use RRJobs\Goridge\FrameReader;

final class FrameReaderTest extends TestCase
{
    private Loopback $server;
    private FrameReader $reader;

    protected function setUp(): void
    {
        $this->server = new Loopback();
        $this->reader = new FrameReader($this->server->relay);
    }

    public function testFramesComeOutAsTheyWentInHoweverTheirBytesAreCut(): void
    {
        $bytes = Wire::frame('ab', 0x08, 0, 1) . Wire::frame('', 0, 0x02) . Wire::frame('rpc', 0x80, 0, 9, 2) . Wire::fence();
        for ($cut = 1; $cut < strlen($bytes); ++$cut) {
            $server = new Loopback();
            $reader = new FrameReader($server->relay);
            $server->send(substr($bytes, 0, $cut));
            $seen = [];
            $reader->stopped(); // takes in what is there, without waiting for the rest
            $server->send(substr($bytes, $cut));
            for ($frame = 0; $frame < 3; ++$frame) {
                $seen[] = $reader->next();
            }
            $data = array_values(array_filter($seen, static fn (Frame $frame) => $frame->stream === 0));
            self::assertEquals(new Frame(0x08, 0, 4, 1, 'ab'), $data[0], "cut at {$cut}");
            self::assertEquals(new Frame(0x80, 0, 5, 9, 'rpc', 2), $data[1], "cut at {$cut}");
        }
    }

    public function testABigFrameIsReadWhole(): void
    {
        $child = Child::code('$w = RRJobs\Worker::create(); $p = $w->waitPayload(); $w->respond(md5($p->body), (string) strlen($p->body));');
        $body = random_bytes(5 << 20);
        $child->send(Wire::job($body));
        self::assertSame(md5($body) . strlen($body), $child->frames(1)[0]['payload']);
    }

    public function testAWrongCrcIsRefusedAndNothingMoreIsRead(): void
    {
        $frame = Wire::frame('payload', 0, 0, 0);
        $frame[6] = ~$frame[6];
        $this->server->send($frame, Wire::fence());
        try {
            $this->reader->next();
            self::fail('a wrong CRC was taken');
        } catch (ProtocolException $error) {
            self::assertStringContainsString(bin2hex(substr($frame, 0, 10)), $error->getMessage());
        }
        self::assertNull($this->reader->next());
    }

    /**
     * @dataProvider impossibleHeaders
     */
    public function testAnImpossibleHeaderIsRefused(int $words): void
    {
        $head = pack('CCV', 0x10 | $words, 0, 0);
        $this->server->send($head . pack('Vv', crc32($head), 0) . str_repeat("\0", 64));
        $this->expectException(ProtocolException::class);
        $this->reader->next();
    }

    /**
     * @return iterable<array{int}>
     */
    public function impossibleHeaders(): iterable
    {
        yield [0];
        yield [2];
        yield [14];
        yield [15];
    }

    public function testRandomBytesNeverMakeAFrameAndNeverHang(): void
    {
        mt_srand(4);
        for ($round = 0; $round < 300; ++$round) {
            $server = new Loopback();
            $server->send(random_bytes(mt_rand(1, 60)));
            $server->hangUp();
            $frame = 'none';
            try {
                $frame = (new FrameReader($server->relay))->next();
            } catch (ProtocolException | RelayException) {
            }
            self::assertSame('none', $frame);
        }
    }

    public function testTheEndBetweenFramesIsNull(): void
    {
        $this->server->send(Wire::fence());
        $this->server->hangUp();
        self::assertSame('{"pid":1000}', $this->reader->next()?->payload);
        self::assertNull($this->reader->next());
        self::assertNull($this->reader->next());
    }

    public function testTheEndWithinAFrameIsAnErrorOnce(): void
    {
        $this->server->send(substr(Wire::fence(), 0, 15));
        $this->server->hangUp();
        try {
            $this->reader->next();
            self::fail('half a frame was taken');
        } catch (RelayException $error) {
            self::assertStringContainsString('15 bytes', $error->getMessage());
        }
        self::assertNull($this->reader->next());
    }

    public function testAStopIsTakenOutAndEverythingElseKeepsItsPlace(): void
    {
        $this->server->send(Wire::fence(), Wire::job('next'), Wire::streamStop(), Wire::fence());
        self::assertTrue($this->reader->stopped());
        self::assertFalse($this->reader->stopped());
        self::assertSame(1, $this->reader->skip(Wire::fence()));
        self::assertStringEndsWith('next', $this->reader->next()?->payload);
        self::assertSame('{"pid":1000}', $this->reader->next()?->payload);
    }

    public function testNoStopIsSeenWhileThereIsNone(): void
    {
        self::assertFalse($this->reader->stopped());
        $this->server->send(Wire::fence(), Wire::pong(), substr(Wire::streamStop(), 0, 7));
        self::assertFalse($this->reader->stopped());
        $this->server->send(substr(Wire::streamStop(), 7));
        self::assertTrue($this->reader->stopped());
    }

    public function testAServerThatIsGoneStopsAStream(): void
    {
        $this->server->hangUp();
        self::assertTrue($this->reader->stopped());
    }
}
