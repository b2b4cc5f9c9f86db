<?php

declare(strict_types=1);

namespace RRJobs;

/**
 * Keeps what the program prints out of the frames.
 *
 * Only needed where stdout is the relay: `echo`, `var_dump` and warnings then go to stderr, which the server logs. Writing
 * to the STDOUT stream itself cannot be caught.
 */
final class StrayOutput
{
    private static bool $caught = false;

    public static function toStderr(): void
    {
        if (self::$caught) {
            return;
        }
        self::$caught = true;
        \ob_start(self::forward(...), 1);
    }

    private static function forward(string $output): string
    {
        if ($output !== '') {
            \file_put_contents('php://stderr', $output);
        }

        return '';
    }
}
