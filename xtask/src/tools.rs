//! The tools that the build needs besides the pinned compiler: a table of them, and how each is installed.
//!
//! They go into the user's cache folder, `glasshive/tools/NAME-VERSION`, where every clone finds them.

use crate::stage;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a tool comes from.
enum Source {
    /// A crate, built here: its arguments besides name and version.
    Crate(&'static [&'static str]),
    /// An npm package.
    Npm,
}

struct Tool {
    name: &'static str,
    version: &'static str,
    /// A program that it brings.
    program: &'static str,
    source: Source,
    /// Minutes that installing it takes on two cores.
    minutes: f32,
}

const TOOLS: &[Tool] = &[
    Tool { name: "binaryen", version: "132.0.0", program: "wasm-opt", source: Source::Npm, minutes: 0.2 },
    Tool {
        name: "wasm-bindgen-cli",
        version: "0.2.129",
        program: "wasm-bindgen",
        source: Source::Crate(&[
            "--no-default-features",
            "--bin",
            "wasm-bindgen",
            "--bin",
            "wasm-bindgen-test-runner",
        ]),
        minutes: 2.0,
    },
    Tool {
        name: "wasm-pack",
        version: "0.15.1",
        program: "wasm-pack",
        source: Source::Crate(&[]),
        minutes: 2.0,
    },
    Tool {
        name: "trunk",
        version: "0.21.14",
        program: "trunk",
        source: Source::Crate(&["--no-default-features"]),
        minutes: 6.0,
    },
];

/// The targets that `core` and `web` are built for besides the host's.
pub const TARGETS: &[&str] = &["wasm32-unknown-unknown", "x86_64-unknown-none"];

impl Tool {
    fn folder(&self) -> PathBuf {
        cache().join("tools").join(format!("{}-{}", self.name, self.version))
    }
    /// The folder of its programs.
    fn bin(&self) -> PathBuf {
        match self.source {
            Source::Crate(_) => self.folder().join("bin"),
            Source::Npm => self.folder().join("node_modules/.bin"),
        }
    }
    fn is_installed(&self) -> bool {
        self.bin().join(self.program).exists()
    }
    fn install(&self) -> Result<()> {
        let (folder, name) = (self.folder(), self.name);
        let spec = format!("{name}@{}", self.version);
        let folder_text = folder.to_str().context("the cache folder's name is not UTF-8")?;
        match self.source {
            Source::Npm => {
                std::fs::create_dir_all(&folder)?;
                stage::run(&mut stage::command(
                    "npm",
                    &["install", "--no-fund", "--no-audit", "--prefix", folder_text, &spec],
                ))
            }
            Source::Crate(more) => {
                let mut command =
                    stage::command("cargo", &["install", "--locked", "--root", folder_text, &spec]);
                // A tool runs for seconds: a third of the build time is worth more than its speed.
                command.args(more).envs([
                    ("CARGO_PROFILE_RELEASE_LTO", "off"),
                    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
                    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
                    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
                    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
                ]);
                // Crates that the tools share are built once; the folder goes when all stand.
                command.env("CARGO_TARGET_DIR", build_folder());
                stage::run(&mut command)
            }
        }
        .with_context(|| format!("{name} {} could not be installed", self.version))
    }
}

/// The user's cache folder of this project: `GLASSHIVE_CACHE`, else `glasshive` in the XDG cache folder.
pub fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("GLASSHIVE_CACHE").unwrap_or_else(|| {
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        base.unwrap_or_else(std::env::temp_dir).join("glasshive")
    })
}

fn build_folder() -> PathBuf {
    cache().join("build")
}

/// `PATH` with the tools' folders first.
pub fn path() -> OsString {
    let mut folders: Vec<PathBuf> = TOOLS.iter().map(Tool::bin).collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).unwrap_or_default()
}

/// Installs the compiler's targets and every tool that is not there.
pub fn install() -> Result<()> {
    let installed = stage::output(&mut stage::command("rustup", &["target", "list", "--installed"]))
        .context("rustup is needed, to add the compiler's targets")?;
    let missing: Vec<&str> =
        TARGETS.iter().copied().filter(|t| !installed.lines().any(|l| l == *t)).collect();
    if !missing.is_empty() {
        println!("adding the targets {} (half a minute)", missing.join(", "));
        stage::run(stage::command("rustup", &["target", "add"]).args(missing))?;
    }
    let components = stage::output(&mut stage::command("rustup", &["component", "list", "--installed"]))?;
    for component in ["clippy", "rustfmt"] {
        if !components.lines().any(|l| l.starts_with(component)) {
            stage::run(&mut stage::command("rustup", &["component", "add", component]))?;
        }
    }

    let missing: Vec<&Tool> = TOOLS.iter().filter(|t| !t.is_installed()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let minutes: f32 = missing.iter().map(|t| t.minutes).sum();
    println!(
        "{} tools are missing; they go into {}, once for every clone. About {minutes:.0} minutes on two cores.",
        missing.len(),
        cache().join("tools").display()
    );
    for (done, tool) in missing.iter().enumerate() {
        let left: f32 = missing[done..].iter().map(|t| t.minutes).sum();
        println!(
            "[{}/{}] {} {} (about {left:.0} minutes left)",
            done + 1,
            missing.len(),
            tool.name,
            tool.version
        );
        tool.install()?;
    }
    // Only space is lost where this fails.
    let _ = std::fs::remove_dir_all(build_folder());
    Ok(())
}

/// A browser and its driver.
pub struct Browser {
    /// Chromium's program.
    pub chromium: PathBuf,
    /// The driver that wasm-pack talks to.
    pub driver: PathBuf,
}

/// Finds Chromium and its driver, and installs Debian's where this user may.
///
/// `CHROMIUM` and `CHROMEDRIVER` name others.
pub fn browser() -> Result<Browser> {
    let find = |variable: &str, names: &[&str]| {
        std::env::var_os(variable).map(PathBuf::from).or_else(|| names.iter().find_map(|name| on_path(name)))
    };
    let chromium = || find("CHROMIUM", &["chromium", "chromium-browser", "google-chrome"]);
    let driver = || find("CHROMEDRIVER", &["chromedriver"]);
    if chromium().is_none() || driver().is_none() {
        let root = stage::output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
        if !(root && on_path("apt-get").is_some()) {
            bail!(
                "Chromium and its driver are needed for the browser tests: install them (on Debian: \
                 `sudo apt-get install chromium chromium-driver`), or name them in CHROMIUM and CHROMEDRIVER"
            );
        }
        println!("installing chromium and chromium-driver (about 2 minutes)");
        let apt = |arguments: &[&str]| {
            stage::run(stage::command("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        apt(&["update", "-q"])?;
        apt(&["install", "-q", "-y", "--no-install-recommends", "chromium", "chromium-driver"])?;
    }
    Ok(Browser {
        chromium: chromium().context("chromium was installed, and is not on PATH")?,
        driver: driver().context("chromedriver was installed, and is not on PATH")?,
    })
}

/// Installs everything, and says where it is.
pub fn install_all() -> Result<()> {
    install()?;
    for tool in TOOLS {
        println!("{} {}: {}", tool.name, tool.version, tool.bin().join(tool.program).display());
    }
    let browser = browser()?;
    println!("browser: {} and {}", browser.chromium.display(), browser.driver.display());
    Ok(())
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path()).map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}
