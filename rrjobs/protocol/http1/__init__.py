"""HTTP/1.1 on asyncio transports, for whoever answers requests: the http driver, and the small internal endpoints."""
