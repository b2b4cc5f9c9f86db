<?php

declare(strict_types=1);

namespace RRJobs;

/**
 * What the server tells a worker by environment variables.
 */
final class Environment
{
    /**
     * `http`, `jobs`, `any`, ...; empty outside of a server.
     */
    public static function mode(): string
    {
        return self::variable('RR_MODE', '');
    }

    /**
     * Where frames come from and go to.
     */
    public static function relay(): string
    {
        return self::variable('RR_RELAY', 'pipes');
    }

    /**
     * Where RPC calls go.
     */
    public static function rpc(): string
    {
        return self::variable('RR_RPC', 'tcp://127.0.0.1:6001');
    }

    /**
     * The server's version.
     */
    public static function version(): string
    {
        return self::variable('RR_VERSION', '');
    }

    private static function variable(string $name, string $default): string
    {
        $value = \getenv($name);

        return $value === false || $value === '' ? $default : $value;
    }
}
