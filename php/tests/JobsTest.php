<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Jobs\Consumer;
use RRJobs\Jobs\Retry;
use RRJobs\Jobs\Task;
use RRJobs\Worker;

final class JobsTest extends TestCase
{
    private Loopback $server;
    private Consumer $jobs;

    protected function setUp(): void
    {
        $this->server = new Loopback();
        $this->jobs = new Consumer(new Worker($this->server->relay));
    }

    /**
     * @dataProvider answers
     *
     * @param callable(Task): void $settle
     * @param array<string, mixed> $context
     */
    public function testAnAnswerHasItsBytes(callable $settle, string $body, array $context = []): void
    {
        $this->server->send(Wire::job('', $context));
        $task = $this->jobs->waitTask();
        self::assertFalse($task->isSettled());
        $settle($task);
        self::assertTrue($task->isSettled());
        self::assertSame(bin2hex(Wire::frame($body, 0, 0, 0)), bin2hex($this->server->bytes()));
    }

    /**
     * @return iterable<string, array{0: callable(Task): void, 1: string, 2?: array<string, mixed>}>
     */
    public function answers(): iterable
    {
        $headers = ['headers' => ['h' => ['1'], 'attempts' => ['1']]];
        yield 'complete' => [static fn (Task $task) => $task->complete(), '{"type":0,"data":[]}'];
        yield 'ack' => [static fn (Task $task) => $task->ack(), '{"type":2,"data":[]}'];
        yield 'fail' => [
            static fn (Task $task) => $task->fail('boom'),
            '{"type":1,"data":{"message":"boom","requeue":false,"delay_seconds":0}}',
        ];
        yield 'fail with everything' => [
            static fn (Task $task) => $task->fail('boom', true, 7),
            '{"type":1,"data":{"message":"boom","requeue":true,"delay_seconds":7,'
            . '"headers":{"h":["1"],"attempts":["1"]}}}',
            $headers,
        ];
        yield 'fail for good' => [
            static fn (Task $task) => $task->fail('boom', retry: false),
            '{"type":1,"data":{"message":"boom","requeue":false,"delay_seconds":0,"retry":false}}',
        ];
        yield 'fail with a policy' => [
            static fn (Task $task) => $task->fail('boom', retry: new Retry(maxAttempts: 9, initial: 0.5)),
            '{"type":1,"data":{"message":"boom","requeue":false,"delay_seconds":0,"retry":{"max_attempts":9,"initial":0.5}}}',
        ];
        yield 'fail as the pipeline says' => [
            static fn (Task $task) => $task->fail('boom', retry: true),
            '{"type":1,"data":{"message":"boom","requeue":false,"delay_seconds":0}}',
        ];
        yield 'nack' => [
            static fn (Task $task) => $task->nack('no'),
            '{"type":3,"data":{"message":"no","requeue":false,"delay_seconds":0}}',
            $headers,
        ];
        yield 'nack with redelivery' => [
            static fn (Task $task) => $task->nack('no', true, 3),
            '{"type":3,"data":{"message":"no","requeue":true,"delay_seconds":3}}',
        ];
        yield 'requeue' => [
            static fn (Task $task) => $task->requeue('later'),
            '{"type":4,"data":{"message":"later","delay_seconds":0}}',
        ];
        yield 'requeue with headers' => [
            static fn (Task $task) => $task->requeue('later', 5, ['attempts' => 2]),
            '{"type":4,"data":{"message":"later","delay_seconds":5,"headers":{"attempts":["2"],"h":["1"]}}}',
            $headers,
        ];
        yield 'a header with a numeric name stays an object' => [
            static fn (Task $task) => $task->requeue('', 0, ['0' => 'x']),
            '{"type":4,"data":{"message":"","delay_seconds":0,"headers":{"0":["x"]}}}',
        ];
        yield 'a message that is not UTF-8' => [
            static fn (Task $task) => $task->fail("\xff"),
            '{"type":1,"data":{"message":"\ufffd","requeue":false,"delay_seconds":0}}',
        ];
    }

    public function testATaskSaysWhatTheServerSaid(): void
    {
        $this->server->send(Wire::job('{"a":1}', [
            'id' => 'i', 'job' => 'n', 'driver' => 'kafka', 'queue' => 'topic', 'pipeline' => 'p',
            'headers' => ['h' => ['1', '2']], 'partition' => 3, 'offset' => 9,
        ]));
        $task = $this->jobs->waitTask();
        self::assertSame(
            ['i', 'n', 'p', 'topic', 'kafka', ['h' => ['1', '2']], '{"a":1}', 3],
            [$task->id, $task->name, $task->pipeline, $task->queue, $task->driver, $task->headers, $task->payload,
                $task->context['partition']],
        );
        self::assertSame([['a' => 1], '1', 'none'], [$task->json(), $task->header('h'), $task->header('x', 'none')]);
    }

    public function testMemoryJobsHaveNoQueueAndHeadersMayBeNull(): void
    {
        $this->server->send(Wire::job('', ['headers' => null]));
        $task = $this->jobs->waitTask();
        self::assertSame(['unknown', []], [$task->queue, $task->headers]);
    }

    public function testServingCompletesWhatTheHandlerLeaves(): void
    {
        $this->server->send(Wire::job('left'), Wire::job('settled'), Wire::job('thrown'), Wire::job('left'), Wire::end());
        $this->jobs->serve(static fn (Task $task) => match ($task->payload) {
            'left' => null,
            'settled' => $task->nack('no'),
            'thrown' => throw new \DomainException('broken'),
        });
        [$left, $settled, $thrown, $next] = array_column($this->server->frames(), 'payload');
        self::assertSame(['{"type":0,"data":[]}', $left], [$left, $next]);
        self::assertStringContainsString('"type":3', $settled);
        self::assertStringContainsString('DomainException: broken', $thrown);
    }

    public function testAJobIsSettledOnce(): void
    {
        $this->server->send(Wire::job(''));
        $task = $this->jobs->waitTask();
        $task->complete();
        $this->server->bytes();
        try {
            $task->fail('too late');
            self::fail('a second answer was sent');
        } catch (AlreadyAnsweredException) {
            self::assertSame('', $this->server->bytes());
        }
    }

    public function testAJobCannotBeSettledInTheNameOfTheNext(): void
    {
        $this->server->send(Wire::job('1'), Wire::job('2'));
        $first = $this->jobs->waitTask();
        $second = $this->jobs->waitTask();
        $this->server->bytes();
        try {
            $first->complete();
            self::fail('the answer to one job was sent for another');
        } catch (AlreadyAnsweredException) {
            self::assertSame('', $this->server->bytes());
        }
        $second->complete();
        self::assertCount(1, $this->server->frames());
    }

    public function testTheFirstRunKnowsOfNothingBefore(): void
    {
        $this->server->send(Wire::job(''));
        $task = $this->jobs->waitTask();
        self::assertSame([1, 0, 0, null], [$task->attempt(), $task->crashes(), $task->interruptions(), $task->pushedAt()]);
    }

    public function testALaterRunKnowsItsAttemptItsCrashesAndThePush(): void
    {
        $headers = ['rr-attempt' => ['4'], 'rr-crashes' => ['2'], 'rr-pushed-at' => ['1790000000.125'], 'rr-interruptions' => ['1']];
        $this->server->send(Wire::job('', ['headers' => $headers]));
        $task = $this->jobs->waitTask();
        self::assertSame([4, 2, 1], [$task->attempt(), $task->crashes(), $task->interruptions()]);
        self::assertSame('1790000000.125000', $task->pushedAt()?->format('U.u'));
    }

    public function testHeadersThatAreNoNumbersAreNoHistory(): void
    {
        $headers = ['rr-attempt' => ['x'], 'rr-crashes' => ['-1'], 'rr-pushed-at' => ['soon'], 'rr-interruptions' => ['-3']];
        $this->server->send(Wire::job('', ['headers' => $headers]));
        $task = $this->jobs->waitTask();
        self::assertSame([1, 0, 0, null], [$task->attempt(), $task->crashes(), $task->interruptions(), $task->pushedAt()]);
    }

    /**
     * @dataProvider wrongContexts
     */
    public function testABrokenJobFailsAloneAndTheNextIsTaken(string $context): void
    {
        $this->server->send(Wire::frame($context, 0x04, 0, strlen($context)), Wire::job('next'));
        self::assertSame('next', $this->jobs->waitTask()->payload);
        self::assertSame(0x40, $this->server->frames()[0]['flags']);
    }

    /**
     * @return iterable<array{string}>
     */
    public function wrongContexts(): iterable
    {
        yield [''];
        yield ['{'];
        yield ['[]'];
        yield ['{"id":"1"}'];
        yield ['{"id":1,"job":"x"}'];
        yield ['{"id":"1","job":"x","headers":"no"}'];
    }
}
