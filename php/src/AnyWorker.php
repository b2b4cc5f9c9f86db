<?php

declare(strict_types=1);

namespace RRJobs;

use RRJobs\Exception\RelayException;
use RRJobs\Http\HttpWorker;
use RRJobs\Http\Request;
use RRJobs\Http\Response;
use RRJobs\Jobs\Consumer;
use RRJobs\Jobs\Task;

/**
 * One process that takes HTTP requests and jobs, for pools of `mode: any`.
 *
 * What a handler throws fails only the request or the job it was called for; the loop goes on.
 */
final class AnyWorker
{
    private readonly HttpWorker $http;
    private readonly Consumer $jobs;
    private ?\Closure $onRequest = null;
    private ?\Closure $onJob = null;

    public function __construct(public readonly Worker $worker)
    {
        $this->http = new HttpWorker($worker);
        $this->jobs = new Consumer($worker);
    }

    public static function create(): self
    {
        return new self(Worker::create());
    }

    /**
     * @param callable(Request, HttpWorker): ?Response $handler returns the answer, or gives it by `$http->respond()`
     */
    public function onRequest(callable $handler): self
    {
        $this->onRequest = $handler(...);

        return $this;
    }

    /**
     * @param callable(Task): void $handler a job it does not settle itself is completed when it returns
     */
    public function onJob(callable $handler): self
    {
        $this->onJob = $handler(...);

        return $this;
    }

    /**
     * Work until the server ends it.
     *
     * @throws RelayException
     */
    public function run(): void
    {
        while (($payload = $this->worker->waitPayload()) !== null) {
            try {
                if ($payload->isJob()) {
                    $this->job($payload);
                } else {
                    $this->request($payload);
                }
            } catch (RelayException $gone) {
                throw $gone;
            } catch (\Throwable $error) {
                $this->worker->error((string) $error);
            }
        }
    }

    private function request(Payload $payload): void
    {
        if ($this->onRequest === null) {
            throw new \LogicException('this worker takes no requests: give it a handler by onRequest()');
        }
        $response = ($this->onRequest)($this->http->request($payload), $this->http);
        if ($response instanceof Response) {
            $this->http->send($response);
        } elseif ($this->worker->owesAnswer()) {
            throw new \LogicException('the handler of requests returned without an answer');
        }
    }

    private function job(Payload $payload): void
    {
        if ($this->onJob === null) {
            throw new \LogicException('this worker takes no jobs: give it a handler by onJob()');
        }
        $task = $this->jobs->task($payload);
        ($this->onJob)($task);
        if (!$task->isSettled()) {
            $task->complete(true);
        }
    }
}
