<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Jobs\Job;
use RRJobs\Jobs\PipelineState;
use RRJobs\Jobs\Producer;
use RRJobs\Jobs\Retry;
use RRJobs\Protobuf\Reader;
use RRJobs\Protobuf\Writer;

final class ProducerTest extends TestCase
{
    private RpcStub $server;

    protected function tearDown(): void
    {
        $this->server->kill();
    }

    private function producer(string $answer = ''): Producer
    {
        $this->server = new RpcStub(answer: $answer);

        return new Producer($this->server->client());
    }

    public function testAJobIsPushedWithAllItsOptions(): void
    {
        $id = $this->producer()->push('test', new Job('n', "\0", 'i', ['a' => ['1', '2'], 'none' => []], 5, 3, true));
        self::assertSame('i', $id);
        $headers = Writer::bytes(1, 'a') . Writer::message(2, Writer::bytes(1, '1') . Writer::bytes(1, '2'));
        $options = "\x08\x03\x12\x04test\x18\x05\x30\x01";
        $job = Writer::bytes(1, 'n') . Writer::bytes(2, 'i') . "\x1a\x01\0" . Writer::message(4, $headers)
            . Writer::message(5, $options);
        self::assertSame('jobs.Push ' . bin2hex(Writer::message(1, $job)), $this->server->line());
    }

    public function testAJobWithoutAnIdGetsARandomUuid(): void
    {
        $one = new Job('n');
        self::assertMatchesRegularExpression('/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/', $one->id);
        self::assertNotSame($one->id, (new Job('n'))->id);
        $this->producer()->push('test', Job::json('n', ['a' => 1], delay: 2));
        self::assertStringContainsString(bin2hex('{"a":1}'), $this->server->line());
    }

    public function testAJobMayHaveARetryPolicyOfItsOwn(): void
    {
        $retry = new Retry(7, 0.25, 1.5, 3600, 0, 86400, 2);
        $text = 'max_attempts=7,initial=0.250000s,factor=1.5,max=3600.000000s,jitter=0.0,retry_for=86400.000000s,max_crashes=2';
        self::assertSame(['rr-retry' => $text, 'a' => '1'], (new Job('n', headers: ['a' => '1'], retry: $retry))->headers);
        self::assertSame(['a' => '1'], (new Job('n', headers: ['a' => '1'], retry: new Retry()))->headers);
        $this->producer()->push('test', Job::json('n', 1, retry: new Retry(maxAttempts: 1)));
        self::assertStringContainsString(bin2hex('max_attempts=1'), $this->server->line());
    }

    public function testManyJobsGoInBatches(): void
    {
        $jobs = static function (int $count): iterable {
            for ($number = 0; $number < $count; ++$number) {
                yield new Job('n', (string) $number);
            }
        };
        $producer = $this->producer();
        self::assertSame(7, $producer->pushMany('test', $jobs(7), 3));
        self::assertSame([3, 3, 1], [$this->batch(), $this->batch(), $this->batch()]);
        self::assertSame(4, $producer->pushMany('test', $jobs(4), 4));
        self::assertSame(4, $this->batch());
        self::assertSame(0, $producer->pushMany('test', []));
        self::assertSame(2, $producer->pushMany('test', [new Job('n', str_repeat('x', 1 << 20)), new Job('n')]));
        self::assertStringEndsWith('bytes', $this->server->line());
        self::assertSame(1, $this->batch(), 'a batch is bounded in bytes too');
    }

    /**
     * How many jobs the next batch has.
     */
    private function batch(): int
    {
        [$method, $body] = explode(' ', $this->server->line());
        self::assertSame('jobs.PushBatch', $method);
        $reader = new Reader(hex2bin($body));
        for ($count = 0; $reader->next() === 1; ++$count) {
            $reader->skip();
        }

        return $count;
    }

    public function testADeclarationIsAllText(): void
    {
        $this->producer()->declare('n', 'amqp', ['priority' => 5, 'durable' => true, 'auto' => false, 'list' => ['a', 1]]);
        $map = ['name' => 'n', 'driver' => 'amqp', 'priority' => '5', 'durable' => 'true', 'auto' => 'false', 'list' => '["a",1]'];
        self::assertSame('jobs.Declare ' . bin2hex(Writer::map(1, $map)), $this->server->line());
    }

    public function testPipelinesArePausedResumedDestroyedAndListed(): void
    {
        $producer = $this->producer(Writer::message(1, 'a') . Writer::message(1, 'b'));
        $producer->pause('a', 'b');
        $producer->resume('a');
        self::assertSame(['a', 'b'], $producer->destroy('a', 'b', 'c'));
        self::assertSame(['a', 'b'], $producer->list());
        $names = static fn (string ...$names) => bin2hex(implode('', array_map(
            static fn (string $name) => Writer::message(1, $name),
            $names,
        )));
        self::assertSame("jobs.Pause {$names('a', 'b')}", $this->server->line());
        self::assertSame("jobs.Resume {$names('a')}", $this->server->line());
        self::assertSame("jobs.Destroy {$names('a', 'b', 'c')}", $this->server->line());
        self::assertSame('jobs.List', $this->server->line());
    }

    public function testStatesComeByName(): void
    {
        $one = Writer::bytes(1, 'a') . Writer::bytes(2, 'memory') . Writer::bytes(3, 'q') . Writer::int(4, 1)
            . Writer::int(5, 2) . Writer::int(6, 3) . Writer::bool(7, true) . Writer::int(8, 10) . Writer::bytes(9, 'new');
        $two = Writer::bytes(1, 'b');
        self::assertEquals([
            'a' => new PipelineState('a', 'memory', 'q', 1, 2, 3, true, 10),
            'b' => new PipelineState('b', '', '', 0, 0, 0, false, 0),
        ], $this->producer(Writer::message(1, $one) . Writer::message(1, $two))->stat());
    }
}
