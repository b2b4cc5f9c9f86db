<?php

declare(strict_types=1);

namespace Example;

use RRJobs\Exception\RRJobsException;
use RRJobs\Http\Request;
use RRJobs\Http\Response;
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

    public function handle(Request $request): Response
    {
        return match ([$request->method, $request->path()]) {
            ['GET', '/'] => new Response(200, $this->page(), ['Content-Type' => 'text/html; charset=utf-8']),
            ['GET', '/hello'] => self::text(200, "Hello World\n"),
            ['GET', '/status'] => new Response(200, $this->status(), ['Content-Type' => 'application/json']),
            ['GET', '/count'] => self::text(200, $this->count()),
            ['POST', '/push'] => $this->push($request),
            default => self::text(404, "There is nothing at {$request->path()}\n"),
        };
    }

    private function push(Request $request): Response
    {
        $to = trim((string) ($request->form()['to'] ?? ''));
        $delay = min(60, max(0, (int) ($request->form()['delay'] ?? 0)));
        try {
            $this->jobs->push(Mailbox::PIPELINE, Job::json('mail.send', ['to' => $to ?: 'you'], delay: $delay));
        } catch (RRJobsException $error) {
            return self::text(503, "The job was not taken: {$error->getMessage()}\n");
        }

        return new Response(303, '', ['Location' => '/']);
    }

    private function status(): string
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

        return json_encode($status, JSON_THROW_ON_ERROR);
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
     * @param string|iterable<string> $text
     */
    private static function text(int $status, string|iterable $text): Response
    {
        return new Response($status, $text, ['Content-Type' => 'text/plain']);
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
