#!/usr/bin/env python3
"""package_test.py ROOT BUILD: Maven packages the binding from Debian's packages alone, and README's program runs in an empty
project outside the tree, with the coordinate that README names. Prints what the jars hold."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT, BUILD = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
LOCAL = BUILD / "java" / "m2"
PROJECT = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>first</artifactId>
  <version>1</version>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    %s
  </dependencies>
</project>
"""


def maven(folder, *goals):
    done = subprocess.run(["mvn", "-B", "-q", "-o", "-s", str(ROOT / "bindings/java/debian.xml"), "-Daether.offline.protocols=file",
                           f"-Dmaven.repo.local={LOCAL}", f"-Djt.build={BUILD}", "-f", str(folder), *goals],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def holds(jar, *names):
    with zipfile.ZipFile(jar) as file:
        content = file.namelist()
        print(jar.name, *(f"  {i.file_size:9} {i.filename}" for i in file.infolist() if not i.is_dir()), sep="\n")
        missing = [name for name in names if name not in content]
        assert not missing, (jar, missing)
        return file.read("META-INF/MANIFEST.MF").decode()


def main():
    if not shutil.which("mvn"):
        print("package_test: skipped: no mvn (Debian: maven)")
        return 77
    readme = (ROOT / "README.md").read_text()
    section = readme[readme.index("## From Java"):]
    section = section[:section.index("\n## ", 5)]
    with tempfile.TemporaryDirectory() as work:
        tree = pathlib.Path(work) / "java"  # Maven writes beside its poms
        shutil.copytree(ROOT / "bindings/java", tree, ignore=shutil.ignore_patterns("target"))
        shutil.rmtree(LOCAL / "org" / "jt", ignore_errors=True)
        maven(tree, "install")
        version = re.search(r"<version>(.*)</version>", section)[1]
        manifest = holds(LOCAL / f"org/jt/jt/{version}/jt-{version}.jar", "org/jt/Tensor.class", "org/jt/Ops.class", "org/jt/nn/Conv2d.class", "org/jt/optim/Adam.class")
        assert "Enable-Native-Access: ALL-UNNAMED" in manifest, manifest
        natives = "org/jt/natives/linux-x86_64/"
        holds(LOCAL / f"org/jt/jt-natives-linux-x86_64/{version}/jt-natives-linux-x86_64-{version}.jar", natives + "files", natives + "libjt_java.so")

        project = pathlib.Path(work) / "first"
        (project / "src/main/java").mkdir(parents=True)
        (project / "pom.xml").write_text(PROJECT % re.search(r"```xml\n(.*?)```", section, re.S)[1].strip())
        (project / "src/main/java/First.java").write_text(re.search(r"```java\n(.*?)```", section, re.S)[1])
        maven(project, "package")
        jars = [str(jar) for jar in LOCAL.glob("org/jt/jt*/*/*.jar")]
        done = subprocess.run(["java", "-cp", os.pathsep.join([str(project / "target/classes"), *jars]), "First"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, XDG_CACHE_HOME=work))
        want = re.search(r"```text\n(.*?)```", section, re.S)[1]
        assert done.returncode == 0 and done.stdout == want, done.stdout
    return 0


sys.exit(main())
