//! Files that a user names: how much of them is read, and how they are written.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// The largest file that is read, in bytes: the saved plan of a thousand brokers is much smaller.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// The contents of a file that a user named.
///
/// # Errors
/// That it can't be read, or that it is larger than anything that kstack works with.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other(format!("it has more than {} MiB", LARGEST_FILE / 1024 / 1024)));
    }
    Ok(bytes)
}

/// Checks that [`write_file`] would write no other place than `path`: nothing is there, or a plain file.
///
/// # Errors
/// What is there instead.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) => {
            let what = if found.is_symlink() { "a symbolic link" } else { "not a plain file" };
            Err(io::Error::other(format!("it is {what}; name a file, or a path at which nothing is")))
        }
    }
}

/// Writes a file that only its owner may read. It appears whole or not at all, and takes the place of an earlier one.
///
/// # Errors
/// That something else than a plain file is there, or that its folder can't be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    check_writable(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Writes `bytes` in place of what the plain file at `path`, or at the end of its links, has. Who may read it stays as it is.
///
/// # Errors
/// That there is none, or that its folder can't be written.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(permissions)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_written_whole_for_its_owner_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("other"), "kept").unwrap();
        symlink(at("other"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["link", "dangling", "pipe", ".", "no-such-folder/plan"] {
            assert!(write_file(&at(name), b"plan").is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(at("other")).unwrap(), "kept");
        assert!(!at("nothing").exists());

        fs::write(at("plan"), "an earlier one, which was longer").unwrap();
        fs::set_permissions(at("plan"), fs::Permissions::from_mode(0o644)).unwrap();
        write_file(&at("plan"), b"plan").unwrap();
        assert_eq!(fs::read_to_string(at("plan")).unwrap(), "plan");
        assert_eq!(fs::metadata(at("plan")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "a temporary file was left");
    }
}
