<?php

declare(strict_types=1);

namespace Example;

use RRJobs\Exception\RRJobsException;
use RRJobs\Http\HttpWorker;
use RRJobs\Http\Request;
use RRJobs\Jobs\Job;
use RRJobs\Jobs\Producer;

/**
 * The website of the example: a page, a form that pushes a job, and a little JSON that says how it stands.
 */
final class Site
{
    private readonly Producer $jobs;

    public function __construct(private readonly Mailbox $mailbox)
    {
        $this->jobs = Producer::create();
    }

    public function handle(Request $request, HttpWorker $http): void
    {
        match ([$request->method, $request->path()]) {
            ['GET', '/'] => $http->respond(200, $this->page(), ['Content-Type' => 'text/html; charset=utf-8']),
            ['GET', '/hello'] => $http->respond(200, "Hello World\n", ['Content-Type' => 'text/plain']),
            ['GET', '/status'] => $this->json($http, 200, $this->status()),
            ['GET', '/count'] => $http->respond(200, $this->count(), ['Content-Type' => 'text/plain']),
            ['POST', '/push'] => $this->push($request, $http),
            default => $http->respond(404, "There is nothing at {$request->path()}\n", ['Content-Type' => 'text/plain']),
        };
    }

    private function push(Request $request, HttpWorker $http): void
    {
        $to = trim((string) ($request->form()['to'] ?? ''));
        $delay = min(60, max(0, (int) ($request->form()['delay'] ?? 0)));
        try {
            $this->jobs->push(Mailbox::PIPELINE, Job::json('mail.send', ['to' => $to ?: 'you'], delay: $delay));
            $http->respond(303, '', ['Location' => '/']);
        } catch (RRJobsException $error) {
            $http->respond(503, "The job was not taken: {$error->getMessage()}\n", ['Content-Type' => 'text/plain']);
        }
    }

    /**
     * @return array<string, mixed>
     */
    private function status(): array
    {
        [$sent, $last] = $this->mailbox->sent();
        $status = ['sent' => $sent, 'last' => $last, 'pid' => getmypid(), 'waiting' => null, 'delayed' => null];
        try {
            $mail = $this->jobs->stat()[Mailbox::PIPELINE] ?? null;
            $status['waiting'] = $mail?->active;
            $status['delayed'] = $mail?->delayed;
        } catch (RRJobsException $error) {
            $status['error'] = $error->getMessage();
        }

        return $status;
    }

    /**
     * A streamed answer: one line after another, as they are made.
     *
     * @return \Generator<string>
     */
    private function count(): \Generator
    {
        for ($second = 1; $second <= 5; ++$second) {
            yield "{$second}\n";
            sleep(1);
        }
    }

    /**
     * @param array<string, mixed> $value
     */
    private function json(HttpWorker $http, int $status, array $value): void
    {
        $http->respond($status, json_encode($value, JSON_THROW_ON_ERROR), ['Content-Type' => 'application/json']);
    }

    private function page(): string
    {
        return strtr(file_get_contents(__DIR__ . '/page.html'), [
            '{{pid}}' => (string) getmypid(),
            '{{mode}}' => htmlspecialchars(\RRJobs\Environment::mode() ?: 'none'),
            '{{php}}' => PHP_VERSION,
        ]);
    }
}
