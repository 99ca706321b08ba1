//! The arguments, and the texts of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  avatar-proxy --config /etc/avatar-proxy.toml
  DATABASE_URL=postgres://dashboard@localhost/dashboard avatar-proxy check
  AVATAR_PROXY__LOG__LEVEL=debug avatar-proxy
  avatar-proxy show-config | grep -v '# default'

Every option is described in config.toml; `show-config` prints them all.
Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration.";

const SEAL_EXAMPLES: &str = "\
The token is read from stdin, since every user of the machine can read arguments; everything after its first line is
ignored. It is sealed with the first of tokens.keys.

Example:
  avatar-proxy token seal < token.txt";

const CHECK_EXAMPLES: &str = "\
The sealed value is read from stdin, from the first line. If the dashboard keeps the iv and the tag in columns of their
own, they are the second and the third line. The token itself is never printed.

Examples:
  psql -Atc 'select \"accessTokenEnc\" from \"InstagramConnection\" limit 1' | avatar-proxy token check
  printf '%s\\n%s\\n%s\\n' \"$CIPHERTEXT\" \"$IV\" \"$TAG\" | avatar-proxy token check";

const WARM_EXAMPLES: &str = "\
The server walks its directory in the order of the ids and refreshes every avatar that is not fresh. This command begins
the walk at admin.listen, with admin.token, and shows its progress. Ctrl-C ends the command, not the walk.

Examples:
  avatar-proxy warm
  avatar-proxy warm --rate 50
  avatar-proxy warm --resume --url http://proxy-1.internal:9180
  avatar-proxy warm --stop";

/// One stable address for the profile picture of each connected social account.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Arguments {
    /// Read options from this file, over the defaults and below the environment
    #[arg(long, value_name = "FILE", env = "AVATAR_PROXY_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Without one: serve
    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// The command; `serve` if none is given.
    pub(crate) fn command(&self) -> &Command {
        self.command.as_ref().unwrap_or(&Command::Serve)
    }
}

/// A command.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Serve avatars until SIGTERM or SIGINT; what happens without a command
    Serve,
    /// Try the configuration, the keys, Redis and the database, and list the tables found
    Check,
    /// Print every option in force and where it was written, secrets hidden
    ShowConfig,
    /// Seal an access token, or find out how one is sealed
    #[command(subcommand)]
    Token(TokenCommand),
    /// Have the running server fetch every avatar of the directory ahead of its first view
    #[command(after_help = WARM_EXAMPLES)]
    Warm(WarmArguments),
    /// Ask the server on server.listen whether it is well; exits with 0 or 1 within 2 seconds
    Health,
}

/// Options of `warm`.
#[derive(Debug, Clone, Args)]
pub(crate) struct WarmArguments {
    /// Avatars a second, 1 to 1000; the server slows it down where it is busy
    #[arg(long, value_name = "AVATARS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rate: u16,
    /// Show the walk under way, or continue the last one where it stopped, instead of beginning a new one
    #[arg(long)]
    pub(crate) resume: bool,
    /// Stop the walk under way
    #[arg(long, conflicts_with_all = ["rate", "resume"])]
    pub(crate) stop: bool,
    /// Ask this admin port: http://host:port or unix:/path. One instance, not a balancer
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Does nothing: the server saves how far the walk is
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) state: Option<PathBuf>,
    /// Does nothing: the server waits for its database
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub(crate) patience: Option<u64>,
}

/// A command about tokens.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token sealed, for [[connection]] blocks
    #[command(after_help = SEAL_EXAMPLES)]
    Seal,
    /// Say which layout a sealed token has and which of tokens.keys opens it
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
}
