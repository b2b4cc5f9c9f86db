<?php

declare(strict_types=1);

namespace Example;

use RRJobs\Jobs\Task;

/**
 * The job of the example: it "sends" a mail, which takes a moment, and writes a line about it. It is done when it returns.
 */
final class Mailbox
{
    public const PIPELINE = 'mail';

    private readonly string $file;

    public function __construct()
    {
        $this->file = getenv('EXAMPLE_STATE') ?: sys_get_temp_dir() . '/rrjobs-example-' . posix_geteuid() . '.txt';
    }

    public function send(Task $task): void
    {
        $to = (string) ($task->json()['to'] ?? 'nobody');
        usleep(200_000);
        $line = json_encode(['to' => $to, 'at' => date('H:i:s'), 'pid' => getmypid()], JSON_THROW_ON_ERROR);
        file_put_contents($this->file, $line . "\n", FILE_APPEND);
        echo "mail to {$to} sent\n";
    }

    /**
     * How many were sent, and the last five.
     *
     * @return array{int, list<array{to: string, at: string, pid: int}>}
     */
    public function sent(): array
    {
        $lines = is_file($this->file) ? file($this->file, FILE_IGNORE_NEW_LINES) ?: [] : [];
        $last = array_map(static fn (string $line) => json_decode($line, true), array_slice($lines, -5));

        return [count($lines), array_reverse(array_filter($last))];
    }
}
