<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Goridge\Relay;
use RRJobs\Worker;

/**
 * The loop of a worker, within this process.
 */
final class WorkerTest extends TestCase
{
    private Loopback $server;
    private Worker $worker;

    protected function setUp(): void
    {
        $this->server = new Loopback();
        $this->worker = new Worker($this->server->relay);
    }

    private static function pid(): string
    {
        return Wire::frame('{"pid":' . getmypid() . '}', 0x01);
    }

    public function testAPayloadIsCutIntoContextAndBody(): void
    {
        $this->server->send(Wire::frame('contextbody', 0x04, 0, 7), Wire::frame('all of it', 0x08, 0, 9), Wire::frame('', 0, 0, 0));
        $job = $this->worker->waitPayload();
        self::assertSame(['context', 'body', true], [$job->context, $job->body, $job->isJob()]);
        $request = $this->worker->waitPayload();
        self::assertSame(['all of it', '', false], [$request->context, $request->body, $request->isJob()]);
        self::assertSame('', $this->worker->waitPayload()->context);
    }

    public function testTheHandshakeIsAnsweredWithThePid(): void
    {
        $this->server->send(Wire::fence(), Wire::end());
        self::assertNull($this->worker->waitPayload());
        self::assertSame(self::pid(), $this->server->bytes());
    }

    public function testFencesAreAnsweredStrictlyInOrder(): void
    {
        $this->server->send(Wire::fence(), Wire::job('1'), Wire::fence(), Wire::fence(), Wire::job('2'), Wire::job('3'), Wire::fence());
        $this->server->send(Wire::end());
        $expected = self::pid();
        foreach (['1', '2', '3'] as $number) {
            self::assertSame($number, $this->worker->waitPayload()->body);
            self::assertSame($expected, $this->server->bytes());
            $this->worker->respond('', "answer {$number}", 0, true);
            $fences = ['1' => 2, '2' => 0, '3' => 1][$number];
            $expected = '';
            self::assertSame(
                Wire::frame("answer {$number}", 0, 0, 0) . str_repeat(self::pid(), $fences),
                $this->server->bytes(),
            );
        }
        self::assertNull($this->worker->waitPayload());
    }

    public function testAFenceIsAnsweredNoSoonerThanTheProgramIsDone(): void
    {
        $this->server->send(Wire::fence(), Wire::job('1'), Wire::fence(), Wire::end());
        $this->worker->waitPayload();
        $this->server->bytes();
        $this->worker->respond('', 'ok');
        self::assertSame(Wire::frame('ok', 0, 0, 0), $this->server->bytes());
        $this->worker->waitPayload();
        self::assertSame(self::pid(), $this->server->bytes());
    }

    public function testWhoIsDoneAnswersItsFenceInTheSameWrite(): void
    {
        [$server, $client] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_SEQPACKET, 0); // keeps writes apart
        $worker = new Worker(new Relay($client, $client));
        fwrite($server, Wire::fence() . Wire::job('1') . Wire::fence() . Wire::job('2') . Wire::fence());
        foreach (['1', '2'] as $number) {
            self::assertSame($number, $worker->waitPayload()->body);
            $worker->respond('', $number, 0, true);
        }
        self::assertSame(self::pid(), fread($server, 4096));
        self::assertSame(Wire::frame('1', 0, 0, 0) . self::pid(), fread($server, 4096));
        self::assertSame(Wire::frame('2', 0, 0, 0) . self::pid(), fread($server, 4096));
    }

    public function testAFenceWithOtherBytesIsAnsweredToo(): void
    {
        $this->server->send(Wire::fence(), Wire::job('1'), Wire::frame('{"pid":2}', 0x09), Wire::end());
        $this->worker->waitPayload();
        $this->worker->respond('', 'ok');
        self::assertNull($this->worker->waitPayload());
        self::assertSame(self::pid() . Wire::frame('ok', 0, 0, 0) . self::pid(), $this->server->bytes());
    }

    public function testAnUnansweredPayloadDoesNotHoldTheFenceBack(): void
    {
        $this->server->send(Wire::job('1'), Wire::fence(), Wire::job('2'));
        $this->worker->waitPayload();
        self::assertSame('2', $this->worker->waitPayload()->body);
        self::assertSame(self::pid(), $this->server->bytes());
    }

    public function testASecondAnswerNeverReachesTheServer(): void
    {
        $this->server->send(Wire::job('1'), Wire::fence());
        $this->worker->waitPayload();
        self::assertTrue($this->worker->owesAnswer());
        $this->worker->respond('', 'first');
        self::assertFalse($this->worker->owesAnswer());
        $this->server->bytes();
        foreach (['respond', 'stream', 'stop'] as $again) {
            try {
                $this->worker->$again('again');
                self::fail("{$again} was sent after the answer");
            } catch (AlreadyAnsweredException) {
            }
        }
        self::assertSame('', $this->server->bytes());
    }

    public function testErrorAndStopAreAnswers(): void
    {
        $this->server->send(Wire::job('1'), Wire::job('2'));
        $this->worker->waitPayload();
        $this->worker->error('boom');
        $this->worker->waitPayload();
        $this->worker->stop();
        self::assertSame(
            Wire::frame('boom', 0x40) . Wire::frame('{"stop":true}', 0, 0, 13),
            $this->server->bytes(),
        );
    }

    public function testLateStreamStopsAndPongsAreSkipped(): void
    {
        $this->server->send(Wire::streamStop(), Wire::pong(), Wire::job('1'));
        self::assertSame('1', $this->worker->waitPayload()->body);
    }

    /**
     * @dataProvider wrongFrames
     */
    public function testAFrameThatMakesNoSenseIsRefused(string $frame): void
    {
        $this->server->send($frame);
        $this->expectException(ProtocolException::class);
        $this->worker->waitPayload();
    }

    /**
     * @return iterable<string, array{string}>
     */
    public function wrongFrames(): iterable
    {
        yield 'no option' => [Wire::frame('payload', 0x04)];
        yield 'two options' => [Wire::frame('payload', 0x04, 0, 1, 2)];
        yield 'context longer than the payload' => [Wire::frame('payload', 0x04, 0, 8)];
        yield 'control without JSON' => [Wire::frame('stop', 0x01)];
        yield 'control with a number' => [Wire::frame('1', 0x09)];
        yield 'unknown control' => [Wire::frame('{"dance":true}', 0x09)];
        yield 'pid zero' => [Wire::frame('{"pid":0}', 0x09)];
    }

    public function testALoopThatCatchesEverythingEndsWithItsServer(): void
    {
        $this->server->send(substr(Wire::job('1'), 0, 30));
        $this->server->hangUp();
        $errors = 0;
        do {
            try {
                $payload = $this->worker->waitPayload();
            } catch (RelayException) {
                $payload = false;
                ++$errors;
            }
        } while ($payload !== null);
        self::assertSame(1, $errors);
    }

    public function testChunksCarryTheStreamBitAndTheEndDoesNot(): void
    {
        $this->server->send(Wire::job('1'), Wire::fence());
        $this->worker->waitPayload();
        self::assertTrue($this->worker->stream('head', 'one', 0x08));
        self::assertTrue($this->worker->stream('', 'two'));
        $this->worker->respond('', 'three');
        self::assertSame(
            Wire::frame('headone', 0x08, 1, 4) . Wire::frame('two', 0, 1, 0) . Wire::frame('three', 0, 0, 0),
            $this->server->bytes(),
        );
        $this->server->send(Wire::end());
        $this->worker->waitPayload();
        self::assertSame(self::pid(), $this->server->bytes());
    }

    public function testAStoppedStreamKeepsWhatWasWrittenBehindIt(): void
    {
        $this->server->send(Wire::fence(), Wire::job('1'), Wire::fence(), Wire::job('2'), Wire::fence());
        $this->worker->waitPayload();
        self::assertTrue($this->worker->stream('', 'one'));
        self::assertTrue($this->worker->stream('', 'two'));
        $this->server->send(Wire::streamStop());
        self::assertFalse($this->worker->stream('', 'three'));
        $this->worker->respond('');
        self::assertSame('2', $this->worker->waitPayload()->body);
        $this->worker->respond('', 'ok');
        $this->server->send(Wire::end());
        self::assertNull($this->worker->waitPayload());
        $bodies = array_column($this->server->frames(), 'payload');
        $pid = '{"pid":' . getmypid() . '}';
        self::assertSame([$pid, 'one', 'two', '', $pid, 'ok', $pid], $bodies);
    }
}
