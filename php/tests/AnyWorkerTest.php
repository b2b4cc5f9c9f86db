<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\AnyWorker;
use RRJobs\Http\HttpWorker;
use RRJobs\Http\Request;
use RRJobs\Http\Response;
use RRJobs\Jobs\Task;
use RRJobs\Worker;

final class AnyWorkerTest extends TestCase
{
    private Loopback $server;
    private AnyWorker $any;

    protected function setUp(): void
    {
        $this->server = new Loopback();
        $this->any = new AnyWorker(new Worker($this->server->relay));
    }

    /**
     * @return list<string> the payloads of the answers
     */
    private function serve(string ...$frames): array
    {
        $this->server->send(...$frames, ...[Wire::end()]);
        $this->any->run();

        return array_column($this->server->frames(), 'payload');
    }

    public function testRequestsAndJobsFindTheirHandlers(): void
    {
        $proto = hex2bin('1a03474554');
        $this->any
            ->onRequest(static fn (Request $request, HttpWorker $http) => $http->respond(200, $request->method))
            ->onJob(static fn (Task $task) => $task->nack($task->payload));
        self::assertSame([
            '{"status":200,"headers":{}}GET',
            '{"type":3,"data":{"message":"job","requeue":false,"delay_seconds":0}}',
            "\x08\xc8\x01GET",
        ], $this->serve(Wire::request(), Wire::job('job'), Wire::frame($proto, 0x80, 0, strlen($proto))));
    }

    public function testAReturnedResponseIsTheAnswer(): void
    {
        $this->any->onRequest(static fn () => new Response(404, 'gone'));
        self::assertSame(['{"status":404,"headers":{}}gone'], $this->serve(Wire::request()));
    }

    public function testAJobIsCompletedWhenItsHandlerReturns(): void
    {
        $this->any->onJob(static function (): void {});
        self::assertSame(['{"type":0,"data":[]}'], $this->serve(Wire::job('')));
    }

    public function testWhatAHandlerThrowsFailsItsCallAlone(): void
    {
        $this->any
            ->onRequest(static fn (Request $request, HttpWorker $http) => $request->path() === '/bad'
                ? throw new \DomainException('bad request')
                : $http->respond(200, 'good'))
            ->onJob(static fn (Task $task) => $task->payload === 'bad' ? throw new \Error('bad job') : null);
        $answers = $this->serve(
            Wire::request(['uri' => 'http://h/bad']),
            Wire::request(),
            Wire::job('bad'),
            Wire::job('good'),
            Wire::frame('{', 0x04, 0, 1),
            Wire::job('good'),
        );
        self::assertStringContainsString('bad request', $answers[0]);
        self::assertStringEndsWith('good', $answers[1]);
        self::assertStringContainsString('bad job', $answers[2]);
        self::assertSame('{"type":0,"data":[]}', $answers[3]);
        self::assertStringContainsString('context of a job', $answers[4]);
        self::assertSame('{"type":0,"data":[]}', $answers[5]);
    }

    public function testAHandlerThatForgetsToAnswerFailsTheRequest(): void
    {
        $this->any->onRequest(static function (): void {});
        self::assertStringContainsString('without an answer', $this->serve(Wire::request())[0]);
    }

    public function testAKindWithoutAHandlerIsRefused(): void
    {
        [$request, $job] = $this->serve(Wire::request(), Wire::job(''));
        self::assertStringContainsString('onRequest()', $request);
        self::assertStringContainsString('onJob()', $job);
    }

    public function testWhatIsThrownAfterTheAnswerIsLoggedOnly(): void
    {
        $child = Child::code('
            RRJobs\AnyWorker::create()->onJob(function ($task) {
                $task->complete();
                throw new Exception("after the answer");
            })->run();');
        $child->send(Wire::job('1'), Wire::fence(), Wire::job('2'), Wire::fence());
        self::assertSame([0x00, 0x01, 0x00, 0x01], array_column($child->frames(4), 'flags'));
        [$code, , $err] = $child->end();
        self::assertSame(0, $code);
        self::assertSame(2, substr_count($err, 'Exception: after the answer'));
    }
}
