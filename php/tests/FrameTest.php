<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Goridge\Frame;
use RRJobs\Jobs\Job;
use RRJobs\Jobs\Messages;

/**
 * The bytes of frames, against examples that were recorded from the published packages.
 */
final class FrameTest extends TestCase
{
    private const HEAD = '{"status":200,"headers":{}}';

    /**
     * @dataProvider recorded
     */
    public function testAFrameHasTheRecordedBytes(string $frame, string $hex): void
    {
        self::assertSame(str_replace(' ', '', $hex), bin2hex($frame));
    }

    /**
     * @return iterable<string, array{string, string}>
     */
    public function recorded(): iterable
    {
        $json = '7b22737461747573223a3230302c2268656164657273223a7b7d7d';
        yield 'pid request' => [
            Frame::plain('{"pid":1000}', Frame::CONTROL | Frame::JSON),
            '1309 0c000000 5f0c4673 0000 7b22706964223a313030307d',
        ];
        yield 'pid reply' => [
            Frame::plain('{"pid":4242}', Frame::CONTROL),
            '1301 0c000000 9e473643 0000 7b22706964223a343234327d',
        ];
        yield 'stop' => [
            Frame::plain('{"stop":true}', Frame::CONTROL | Frame::JSON),
            '1309 0d000000 3a6bfacb 0000 7b2273746f70223a747275657d',
        ];
        yield 'answer' => [
            Frame::data(self::HEAD, 'Hello'),
            "1400 20000000 104eb789 0000 1b000000 {$json} 48656c6c6f",
        ];
        yield 'answer with the JSON flag' => [
            Frame::data(self::HEAD, 'Hello', Frame::JSON),
            "1408 20000000 d105c7b9 0000 1b000000 {$json} 48656c6c6f",
        ];
        yield 'first chunk of a stream' => [
            Frame::data(self::HEAD, 'chunk', 0, Frame::STREAM),
            "1400 20000000 104eb789 0100 1b000000 {$json} 6368756e6b",
        ];
        yield 'later chunk with a ping' => [
            Frame::data('', 'x', 0, Frame::STREAM | Frame::PING),
            '1400 01000000 4b863991 0500 00000000 78',
        ];
        yield 'error' => [Frame::plain('boom', Frame::ERROR), '1340 04000000 881e11e3 0000 626f6f6d'];
        yield 'stream stop' => [Frame::plain('', 0, Frame::STOP), '130000000000 96d18034 0200'];
        yield 'pong' => [Frame::plain('', 0, Frame::PONG), '130000000000 96d18034 0800'];
        yield 'end of a stream' => [Frame::data('', ''), '1400 00000000 2ee18529 0000 00000000'];
        yield 'call of informer.AddWorker' => [
            Frame::rpc(1, 'informer.AddWorker', '"http"', Frame::JSON),
            '1508 18000000 3a060447 0000 01000000 12000000 696e666f726d65722e416464576f726b6572 226874747022',
        ];
        yield 'call of rpc.Version' => [
            Frame::rpc(1, 'rpc.Version', 'true', Frame::JSON),
            '1508 0f000000 1c69ca8a 0000 01000000 0b000000 7270632e56657273696f6e 74727565',
        ];
        yield 'reply of rpc.Version' => [
            Frame::rpc(1, 'rpc.Version', '"2025.1.0"', Frame::JSON),
            '1508 15000000 e7de6eb5 0000 01000000 0b000000 7270632e56657273696f6e 22323032352e312e3022',
        ];
        yield 'call of jobs.Push' => [
            Frame::rpc(7, 'jobs.Push', Messages::job('test', new Job(
                'ping',
                '{"a":1}',
                '00000000-0000-4000-8000-000000000001',
                delay: 5,
                autoAck: true,
            )), Frame::PROTO),
            '1580 4c000000 9c65fd82 0000 07000000 09000000 6a6f62732e50757368 0a41 0a0470696e67'
            . '1224' . bin2hex('00000000-0000-4000-8000-000000000001')
            . '1a07 7b2261223a317d 2a0a 120474657374 1805 3001',
        ];
        yield 'empty reply of jobs.Push' => [
            Frame::rpc(7, 'jobs.Push', '', Frame::PROTO),
            '1580 09000000 93cd372e 0000 07000000 09000000 6a6f62732e50757368',
        ];
        yield 'error reply of jobs.Push' => [
            Frame::rpc(11, 'jobs.Push', "rpc_push:\n\tjobs_plugin_push: no such pipeline, requested: nope", 0xC0),
            '15c0 47000000 d4ba0f0d 0000 0b000000 09000000 6a6f62732e50757368'
            . bin2hex("rpc_push:\n\tjobs_plugin_push: no such pipeline, requested: nope"),
        ];
    }

    public function testAnotherLengthOrFlagMakesAnotherHeader(): void
    {
        foreach ([[0, 0], [1, 0], [255, 0x08], [256, 0x80], [65536, 0x80], [3, 0x04]] as [$length, $flags]) {
            $context = str_repeat('c', intdiv($length, 2));
            $body = str_repeat('b', $length - strlen($context));
            $wanted = Wire::frame($context . $body, $flags, 0, strlen($context));
            self::assertSame($wanted, Frame::data($context, $body, $flags));
            self::assertSame($wanted, Frame::data($context, $body, $flags), 'a remembered header is the same');
        }
    }
}
